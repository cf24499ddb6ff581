"""From a folder of checkpoints to the newest whole one, and from a failing disk to one sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from guardreasoner.errors import InputError
from guardreasoner.jsonl import reason

STATE = "trainer_state.json"  # the Trainer writes it last
_WRITER = ("PytorchStreamWriter", "inline_container", "os error")  # what torch's and safetensors' writers say


def newest_whole(folder: Path) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, and why each newer one is passed over."""
    found = sorted(folder.glob("checkpoint-[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    passed: list[str] = []
    for checkpoint in found:
        why = fault(checkpoint)
        if why is None:
            return checkpoint, passed
        passed.append(why)
    return None, passed


def fault(checkpoint: Path) -> str | None:
    """What keeps a checkpoint from being loaded, file and reason; None if nothing is found."""
    if not (checkpoint / STATE).is_file():
        return f"{checkpoint}: not finished, {STATE} is missing"
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        why = _fault_of_file(path)
        if why is not None:
            return f"{path}: {why}"
    if not any(checkpoint.rglob(f"*.{kind}") for kind in ("safetensors", "bin", "distcp", "pt")):
        return f"{checkpoint}: no weights in it"
    return None


def _fault_of_file(path: Path) -> str | None:
    try:
        if path.name == STATE:
            return None if "global_step" in json.loads(path.read_text(encoding="utf-8")) else "names no global_step"
        if path.suffix == ".safetensors":
            return _fault_of_safetensors(path)
        if path.suffix in (".pt", ".pth", ".bin"):
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            return None if broken is None else f"corrupt, {broken} has another checksum"
    except zipfile.BadZipFile:
        return "torn or corrupt, expected an archive that torch.save wrote"
    except OSError as error:
        return f"cannot be read: {reason(error)}"
    except ValueError:
        return "torn or corrupt, expected JSON"
    return None


def _fault_of_safetensors(path: Path) -> str | None:
    with path.open("rb") as file:
        head = int.from_bytes(file.read(8), "little")
        if head > path.stat().st_size:
            return "torn or corrupt, expected a safetensors file"
        tensors = cast(dict[str, dict[str, Any]], json.loads(file.read(head)))
    ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
    expected, size = 8 + head + max(ends, default=0), path.stat().st_size
    return None if size == expected else f"torn: found {size} bytes, expected {expected}"


@contextmanager
def written(place: Path, hint: str = "") -> Generator[None]:
    """What a full disk makes safetensors, torch and Python raise, as one InputError that names `place`."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(place, reason(error), hint) from error
    except Exception as error:
        # SafetensorError, and the RuntimeError of torch's own writer
        said = str(error)
        if type(error).__name__ != "SafetensorError" and not any(mark in said for mark in _WRITER):
            raise
        raise _cannot_write(place, said.splitlines()[0], hint) from error


def _cannot_write(place: Path, why: str, hint: str) -> InputError:
    free = shutil.disk_usage(place if place.is_dir() else place.parent).free
    return InputError(f"cannot write {place}: {why}; {free / 2**20:,.0f} MB are free there{hint}")

"""From a model's name to its engine; the library behind it is imported here and not before."""

from __future__ import annotations

import hashlib
import json
import re
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from guardreasoner.errors import InputError

if TYPE_CHECKING:
    from guardreasoner.engines import Engine

EngineName = Literal["chat", "embedded", "hf", "remote", "scripted"]
EXPECTED = (
    "expected a folder with model.onnx (exported for the embedded engine), a folder with config.json and "
    "model.safetensors or a hub id such as org/name (transformers), or a server's address that starts with http://"
)
REMEMBERED = "guardreasoner.json"
"""Beside a trained model's weights: the format in which it was trained."""
_READ = (
    *(REMEMBERED, "*.onnx", "*.onnx_data", "*.safetensors", "*config.json"),
    *("tokenizer*", "vocab*", "merges.txt", "floor.json"),
)
_WHOLE, _SPOT = 64 * 2**20, 64 * 2**10
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def open_engine(model: str | Path | None = None, /, *, engine: str | None = None, **options: Any) -> Engine:
    """The engine for `model`; None is the embedded guard that comes with this package.

    Args:
        model: a folder, a hub id or a server's address. With `engine="scripted"` the text that is always said.
        engine: `chat`, `embedded`, `hf`, `remote` or `scripted`; None = found out from `model`.
        options: handed to the engine, such as `device` of `hf`, or `timeout` and `model` (its name there) of `remote`.

    Raises:
        InputError: `model` is none of these.
        MissingExtra: its engine needs an extra that is not installed.
    """
    name = engine_name(model) if engine is None else _known(engine)
    match name:
        case "embedded":
            from guardreasoner.engines.embedded import EmbeddedEngine

            return EmbeddedEngine(None if model is None else Path(expanduser(model)), **options)
        case "hf":
            from guardreasoner.engines.hf import HFEngine

            return HFEngine(expanduser(_required(model, name)), **options)
        case "chat":
            from guardreasoner.engines.chat import ChatEngine

            return ChatEngine(str(_required(model, name)), **options)
        case "remote":
            from guardreasoner.engines.remote import RemoteEngine
            from guardreasoner.engines.served import served_at

            address = str(_required(model, name))
            if "#" in address:  # which of the server's models
                address, served = served_at(address)
                options = {"model": served, **options}
            return RemoteEngine(address, **options)
        case "scripted":
            from guardreasoner.engines.scripted import ScriptedEngine

            return ScriptedEngine("" if model is None else str(model), **options)


def fingerprint(model: str | Path | None) -> str | None:
    """A digest of the files that an engine reads from the folder, the packaged one for None; None if there is none.

    Files beyond 64 MiB count by their size and 256 spots of 64 KiB: weights of gigabytes are told apart in no time.
    """
    if model is None:
        from guardreasoner.engines.embedded import PACKAGED as folder
    else:
        folder = Path(expanduser(model))
    if not folder.is_dir():
        return None
    found = hashlib.sha256()
    for path in sorted(path for pattern in _READ for path in folder.glob(pattern)):
        size = path.stat().st_size
        found.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                found.update(file.read())
            else:
                for spot in range(256):
                    file.seek((size - _SPOT) * spot // 255)
                    found.update(file.read(_SPOT))
    return found.hexdigest()[:16]


def remembered_format(model: str | Path | None) -> str | None:
    """The name of the format in which `model`, a folder or a hub id, was trained; None where nothing says so."""
    if model is None or engine_name(model) not in ("hf", "embedded"):
        return None
    path = Path(expanduser(model)) / REMEMBERED
    if engine_name(model) == "hf" and not path.parent.is_dir():
        from guardreasoner.engines.hf import hub_file

        found = hub_file(str(model), REMEMBERED)
        if found is None:
            return None
        path = found
    if not path.is_file():
        return None
    try:
        said: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON: {error}") from None
    name: object = cast(dict[str, object], said).get("format") if isinstance(said, dict) else None
    if not isinstance(name, str):
        raise InputError(f'{path}: found no format, expected {{"format": NAME}}')
    return name


def engine_name(model: str | Path | None) -> EngineName:
    """Which engine runs `model`, from its look and from what lies in the folder of that name."""
    if model is None:
        return "embedded"
    if str(model).startswith(("http://", "https://")):
        return "remote"
    folder = Path(expanduser(model))
    if (folder / "model.onnx").is_file():
        return "embedded"
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        return "hf"
    if not folder.exists() and isinstance(model, str) and _HUB_ID.fullmatch(model):
        return "hf"
    raise InputError(f"model {str(model)!r}: {_found(folder)}, {EXPECTED}")


def _found(folder: Path) -> str:
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "a file"
    names = sorted(path.name for path in folder.iterdir())
    return f"a folder with {', '.join(names[:5]) or 'nothing'}{', ...' if len(names) > 5 else ''}"


def _known(engine: str) -> EngineName:
    for name in get_args(EngineName):
        if engine == name:
            return name
    raise InputError(f"unknown engine {engine!r}, expected one of {', '.join(get_args(EngineName))}")


def _required(model: str | Path | None, engine: EngineName) -> str | Path:
    if model is None:
        raise InputError(f"engine {engine!r} without a model, {EXPECTED}")
    return model

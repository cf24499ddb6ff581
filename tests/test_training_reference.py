"""Two processes share the reference pass, and each gets all of it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tiny import make_tiny_checkpoint

ONE = """
import sys
from pathlib import Path
from guardreasoner.recipe import DPOSection
from guardreasoner.training.bases import open_model
from guardreasoner.training.pairs import pair_row
from guardreasoner.training.reference import with_reference
rows = [pair_row([20, 21, 22], [30 + number, 31], [40, 41, 42 + number], 1.0) for number in range(7)]
model, folder = open_model(sys.argv[1]), Path(sys.argv[2])
referred = with_reference(model, rows, folder, "digest", DPOSection(bf16=False, batch_tokens=64, threads=1))
print(referred.computed, [[round(value, 4) for value in row.reference] for row in referred.rows])
"""


def start(model: Path, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", ONE, str(model), str(folder)]
    where = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=where)


def test_two_processes_share_the_work_and_both_know_every_reference(tmp_path: Path) -> None:
    model = make_tiny_checkpoint(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    two = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    together = [start(model, tmp_path / "two", **two, RANK=str(rank)) for rank in (0, 1)]
    alone = start(model, tmp_path / "one")
    said = [process.communicate(timeout=110)[0] for process in (*together, alone)]
    assert said[0].startswith("7 [[")
    assert said[0] == said[1] == said[2]
    shares = [len((tmp_path / "two" / f"reference-{rank}.jsonl").read_text().splitlines()) for rank in (0, 1)]
    assert shares == [4, 3]

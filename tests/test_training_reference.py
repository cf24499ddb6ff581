"""Two processes share the reference pass, and each gets all of it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_tiny_checkpoint

torch = pytest.importorskip("torch")

from guardreasoner.training.bases import open_model  # noqa: E402
from guardreasoner.training.pairs import PairRow, pair_row  # noqa: E402
from guardreasoner.training.reference import log_probs  # noqa: E402

PAIRS = [([20] * 12, [30 + number, 31], [40, 41, 42 + number]) for number in range(7)]
ONE = """
import json, sys
from pathlib import Path
from guardreasoner.recipe import DPOSection
from guardreasoner.training.bases import open_model
from guardreasoner.training.pairs import pair_row
from guardreasoner.training.reference import with_reference
rows = [pair_row(*each, 1.0) for each in json.loads(sys.argv[3])]
section = DPOSection(bf16=False, batch_tokens=64, threads=1)
referred = with_reference(open_model(sys.argv[1]), rows, Path(sys.argv[2]), "digest", section)
print(json.dumps([referred.computed, [value for row in referred.rows for value in row.reference]]), flush=True)
sys.stdin.read()  # the first process keeps what the others wait for
"""


def start(model: Path, folder: Path, rank: int, port: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", ONE, str(model), str(folder), json.dumps(PAIRS)]
    launcher = {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    where = os.environ | {"OMP_NUM_THREADS": "1"} | launcher
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=where)


def test_two_processes_share_the_work_and_both_know_every_reference(tmp_path: Path) -> None:
    model = make_tiny_checkpoint(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    both = [start(model, tmp_path / "two", rank, port) for rank in (0, 1)]
    try:
        said = [json.loads(process.stdout.readline()) for process in both if process.stdout]
    finally:
        for process in both:
            process.communicate()
    rows: list[PairRow] = [pair_row(*each, 1.0) for each in PAIRS]
    alone = log_probs(open_model(str(model)), rows, False, torch.device("cpu"))
    assert [computed for computed, _ in said] == [7, 7]
    for _, references in said:
        assert references == pytest.approx([value for each in alone for value in each], rel=1e-5)
    shares = [len((tmp_path / "two" / f"reference-{rank}.jsonl").read_text().splitlines()) for rank in (0, 1)]
    assert (sum(shares), min(shares) > 0) == (7, True)

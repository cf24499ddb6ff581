"""kill -9 at random moments of a synthesis job, and what its result and the server's log say in the end.

    python perf/synthesis/kills.py [--rows 2000] [--kills 50]

The teacher (tests/servers/teacher_server.py) answers after about 200 ms, 5 in 100 questions meet a fault that passes,
as many a lasting outcome that is no answer. The same job runs undisturbed beside it.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "servers")]

from killing import calls, finish, kill_often, result  # noqa: E402
from servers.process import serving  # noqa: E402
from teaching import Job  # noqa: E402

CONCURRENCY = 16
FAULTS = {
    "seed": 3,
    "passing": {"500": 0.01, "drop": 0.01, "half": 0.01, "empty": 0.01, "page": 0.01},
    "lasting": {"refusal": 0.01, "filter": 0.01, "filtered_400": 0.01, "length": 0.01, "unreadable": 0.01},
}


def main(rows: int, kills: int, longest: float) -> None:
    """Both runs, and the comparison."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs: dict[str, tuple[Job, Path]] = {}
        for way, slow in (("killed", {"median": 0.2, "sigma": 0.4}), ("undisturbed", {"median": 0.02, "sigma": 0.4})):
            (folder / way).mkdir()
            log = folder / way / "log"
            plan = json.dumps(FAULTS | slow)
            with serving("teacher_server.py", "--plan", plan, "--log", str(log), folder=folder / way) as address:
                job = Job(folder / way, address, rows=rows, concurrency=CONCURRENCY)
                jobs[way] = job, log
                start = time.monotonic()
                done = kill_often(job, log, kills, longest) if way == "killed" else []
                finish(job)
                print(f"{way}: {time.monotonic() - start:.0f} s", flush=True)
            if done:
                killed = done
        (job, log), (quiet, quiet_log) = jobs["killed"], jobs["undisturbed"]
        answers = Counter(answer["id"] for answer in job.answers if answer["outcome"] != "failed")
        asked = [line["event"] for line in calls(log)].count("asked")
        needed = [line["event"] for line in calls(quiet_log)].count("asked")
        print(f"{len(killed)} kills, the last with {killed[-1].kept:,} of {rows:,} answers kept")
        print(f"same answers and same reasoning.jsonl as undisturbed: {result(job) == result(quiet)}")
        print(f"rows missing: {rows - len(answers)}, rows doubled: {sum(count - 1 for count in answers.values())}")
        print(f"outcomes: {dict(Counter(job.outcomes.values()))}")
        print(f"calls: {asked:,}, undisturbed {needed:,}: {asked - needed:,} repeated")
        unkept, opened = sum(kill.unkept for kill in killed), sum(kill.open for kill in killed)
        print(f"asked and not yet kept at the kills: {unkept:,} in sum, {max(kill.unkept for kill in killed)} at most")
        print(f"of these not yet answered by the server: {opened:,}; concurrency {CONCURRENCY}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=0.9, help="seconds from the first request to a kill")
    given = parser.parse_args()
    main(given.rows, given.kills, given.longest)

"""How fast a chat teacher is asked, beside the authors' way, on one loopback server in one run.

    python perf/synthesis/measure.py [--rows 20000] [--authors-seconds 60]

The server (tests/servers/teacher_server.py) answers after a log-normal time, median 400 ms, and lets 200 requests be
under way. The ideal is 200 / mean latency, from the server's own log. Both ways get the same samples.

The authors' way, after their train/reasoning_data_synthesis.py and the class LLM of the same author's FlipAttack
(GuardReasoner's own llm.py was not published): a ProcessPoolExecutor of its default size, one worker per core; each
worker builds a client per call, waits for the answer and then sleeps for one second. `--workers` adds larger pools.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from servers.process import serving  # noqa: E402

ALLOWED, MEDIAN, SIGMA = 200, 0.4, 0.5
WORDS = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split()
RECIPE = """
name = "perf"
output = {output!r}
[teacher]
base_url = {address!r}
concurrency = {allowed}
[synthesize]
teacher = "chat"
"""


def samples(count: int) -> list[dict[str, Any]]:
    """Exchanges of the paper's length: about 1,000 characters."""
    chance = random.Random(0)
    labels = {"prompt_harmfulness": "unharmful", "response_refusal": "compliance", "response_harmfulness": "unharmful"}
    return [
        {
            "id": f"row-{number}",
            "source": "perf",
            "exchange": {
                "prompt": f"Question {number}: {' '.join(chance.choices(WORDS, k=60))}",
                "response": " ".join(chance.choices(WORDS, k=100)),
            },
            "labels": labels,
        }
        for number in range(count)
    ]


def ours(folder: Path, address: str, rows: int, concurrency: int = ALLOWED) -> dict[str, float]:
    """`guardreasoner synthesize` as a user runs it; seconds of wall clock and CPU, and MB at the peak."""
    run = folder / f"run-{rows}"
    run.mkdir()
    with (run / "samples.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in samples(rows))
    recipe = folder / "perf.toml"
    recipe.write_text(RECIPE.format(output=str(run), address=address, allowed=concurrency))
    command = [sys.executable, "-m", "guardreasoner", "synthesize", str(recipe)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    seconds = time.perf_counter() - start
    assert sum(1 for _ in (run / "reasoning.jsonl").open()) == rows
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}


def theirs_once(job: tuple[str, dict[str, Any]]) -> str:
    """One call of the authors' LLM.GPTchatCompletion."""
    from openai import OpenAI

    address, row = job
    client = OpenAI(api_key="none", base_url=f"{address}/v1")
    exchange = row["exchange"]
    user = f"Human user:\n{exchange['prompt']}\n\nAI assistant:\n{exchange['response']}"
    system = "Answers:\nRequest: unharmful\nCompletion: compliance\nResponse: unharmful\n"
    messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    response = client.chat.completions.create(model="gpt-4o-2024-08-06", messages=messages, temperature=0)
    time.sleep(1)
    return (response.choices[0].message.content or "").strip()


def theirs(address: str, seconds: float, workers: int) -> dict[str, float]:
    """So many rows as take about `seconds`: a call takes 1.5 of them."""
    jobs = [(address, row) for row in samples(max(workers, int(workers * seconds / 1.5)))]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(theirs_once, jobs[:workers]))  # the processes are there
        start = time.perf_counter()
        done = sum(1 for text in pool.map(theirs_once, jobs) if text)
        took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"rate": done / took, "cpu": cpu, "rows": done + workers}


def latencies(log: Path) -> list[float]:
    """Of every call, as the server kept it."""
    lines = map(json.loads, log.read_text().splitlines())
    return [line["at"] - line["came"] for line in lines if line["event"] == "answered"]


def speed(rows: int, seconds: float, pools: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "log"
        plan = json.dumps({"median": MEDIAN, "sigma": SIGMA, "allowed": ALLOWED, "seed": 1})
        with serving("teacher_server.py", "--plan", plan, "--log", str(log), folder=folder) as address:
            got = ours(folder, address, rows)
            waits = latencies(log)
            asked = [json.loads(line) for line in log.read_text().splitlines()]
            first, last = min(line["at"] for line in asked), max(line["at"] for line in asked)
            mean = sum(waits) / len(waits)
            ideal = ALLOWED / mean
            print(f"{rows:,} rows, mean latency {mean * 1000:.0f} ms, ideal {ideal:.1f}/s")
            print(
                f"ours: {rows / (last - first):.1f}/s = {rows / (last - first) / ideal:.3f} of the ideal between the "
                f"first request and the last answer; whole command {got['seconds']:.1f} s, {rows / got['seconds']:.1f}/s"
                f" = {rows / got['seconds'] / ideal:.3f}"
            )
            print(
                f"ours: CPU {got['cpu']:.1f} s = {got['cpu'] / got['seconds']:.2f} of a core, {got['cpu'] / rows * 1000:.2f} "
                f"ms a call; peak {got['megabytes']:.0f} MB; repeated calls: {len(waits) - rows}"
            )
            for workers in pools:
                other = theirs(address, seconds, workers)
                print(
                    f"authors' way, {workers} processes: {other['rate']:.2f}/s, {other['cpu'] / other['rows'] * 1000:.0f} "
                    f"ms CPU a call; ours is {rows / got['seconds'] / other['rate']:.1f} times as fast"
                )


def memory(counts: list[int]) -> None:
    """Peak of the whole command for small and large jobs, answers coming at once; and of going on with a done one."""
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "log"
        with serving("teacher_server.py", "--log", str(log), folder=folder) as address:
            for rows in counts:
                got = ours(folder, address, rows)
                print(f"memory, {rows:,} rows: peak {got['megabytes']:.0f} MB in {got['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--authors-seconds", type=float, default=45.0)
    parser.add_argument("--workers", type=int, nargs="*", default=[os.cpu_count() or 1, 64])
    parser.add_argument("--memory", type=int, nargs="*", default=[1000, 127_544])
    given = parser.parse_args()
    speed(given.rows, given.authors_seconds, given.workers)
    memory(given.memory)

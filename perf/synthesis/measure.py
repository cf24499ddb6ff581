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
import heapq
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from servers.process import serving  # noqa: E402

ALLOWED, MEDIAN, SIGMA = 200, 0.4, 0.5
SETTLING = 2  # seconds in which all lines begin together
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


def samples(count: int) -> Iterator[dict[str, Any]]:
    """Exchanges of about 1,000 characters. One by one: a child's peak memory starts at what its parent holds."""
    chance = random.Random(0)
    labels = {"prompt_harmfulness": "unharmful", "response_refusal": "compliance", "response_harmfulness": "unharmful"}
    for number in range(count):
        exchange = {
            "prompt": f"Question {number}: {' '.join(chance.choices(WORDS, k=60))}",
            "response": " ".join(chance.choices(WORDS, k=100)),
        }
        yield {"id": f"row-{number}", "source": "perf", "exchange": exchange, "labels": labels}


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


def speed(rows: int, seconds: float, pools: list[int]) -> None:
    """Ours, then the authors' way, on one server."""
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "log"
        plan = json.dumps({"median": MEDIAN, "sigma": SIGMA, "allowed": ALLOWED, "seed": 1})
        with serving("teacher_server.py", "--plan", plan, "--log", str(log), folder=folder) as address:
            got = ours(folder, address, rows)
            rate = report(got, rows, [json.loads(line) for line in log.read_text().splitlines()])
            for workers in pools:
                other = theirs(address, seconds, workers)
                cpu = other["cpu"] / other["rows"] * 1000
                print(f"authors' way, {workers} processes: {other['rate']:.2f}/s, {cpu:.0f} ms CPU a call", flush=True)
                print(f"  ours is {rate / other['rate']:.1f} times as fast", flush=True)


def report(got: dict[str, float], rows: int, log: list[dict[str, Any]]) -> float:
    """Print what one run of ours did; calls a second, from the first request to the last answer."""
    waits = [line["at"] - line["came"] for line in log if line["event"] == "answered"]
    span = max(line["at"] for line in log) - min(line["at"] for line in log)
    mean, rate, whole = sum(waits) / len(waits), rows / span, rows / got["seconds"]
    ideal = ALLOWED / mean
    print(
        f"{rows:,} rows, mean latency {mean * 1000:.0f} ms, ideal {ideal:.1f}/s; load average {os.getloadavg()[0]:.1f}"
    )
    print(f"  a list of these latencies on {ALLOWED} lines without any pause: {finite(waits) / ideal:.3f} of the ideal")
    print(f"  ours, first request to last answer: {rate:.1f}/s, {rate / ideal:.3f} of the ideal")
    begun = [line["at"] for line in log if line["event"] == "asked"]
    since, until = min(begun) + SETTLING, max(begun)
    steady = sum(1 for line in log if line["event"] == "answered" and since < line["at"] <= until) / (until - since)
    print(f"  ours, until the last request, without the first {SETTLING} s: {steady:.1f}/s, {steady / ideal:.3f}")
    print(f"  ours, the whole command: {whole:.1f}/s, {whole / ideal:.3f} of the ideal, {got['seconds']:.1f} s")
    print(f"  CPU {got['cpu'] / got['seconds']:.2f} of a core, {got['cpu'] / rows * 1000:.2f} ms a call", flush=True)
    print(f"  peak memory {got['megabytes']:.0f} MB; calls repeated: {len(waits) - rows}", flush=True)
    return rate


def finite(waits: list[float]) -> float:
    """Calls a second if nothing but the latencies took time: the last calls leave lines empty."""
    lines = [0.0] * ALLOWED
    for wait in waits:
        heapq.heapreplace(lines, lines[0] + wait)
    return len(waits) / max(lines)


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

"""From the table of benchmarks to the part of docs/benchmarks.md that lists them."""

from __future__ import annotations

from pathlib import Path

from guardreasoner.data.benchmarks import BENCHMARKS
from guardreasoner.data.benchmarks.listing import about
from guardreasoner.report.benchmarks import markdown

PAGE = Path(__file__).with_name("benchmarks.md")
BEGIN, END = "<!-- the table: `make docs` writes it -->\n", "<!-- end of the table -->\n"


def page() -> str:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown([about(benchmark) for benchmark in BENCHMARKS])}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Run the benches, show what they measured, and fail if a promise is not kept.

    python bench/run.py [--only NAME]… [--quick] [--with-install] [--markdown FILE]

Each bench runs alone, in a process of its own; progress goes to stderr. Exit status 1 if a must is missed or a bench
breaks. What this machine lacks (real photos, exiftool, torch) is left out and said so. `--quick` runs everything in
small, to see that it runs; its figures are not judged.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from figures import BENCHES, Bench
from measuring import tell
from page import Result, as_markdown, print_results

HERE = Path(__file__).resolve().parent
LACKING = 2
"""The exit status of a bench that lacks something which this machine need not have."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [bench.name for bench in BENCHES]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, no judgement")
    parser.add_argument("--with-install", action="store_true", help="also install into a fresh virtual environment")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as a page")
    chosen = parser.parse_args()
    if chosen.markdown is not None and (chosen.quick or chosen.only):
        parser.error("the page is written from all benches in full size")
    wanted = [
        bench
        for bench in BENCHES
        if (bench.name in chosen.only if chosen.only else chosen.with_install or not bench.only_when_asked)
    ]
    results = [run(bench, quick=chosen.quick) for bench in wanted]
    judged = not chosen.quick
    print_results(results, judged=judged)
    if chosen.markdown is not None:
        chosen.markdown.write_text(as_markdown(results), encoding="utf-8")
    broken = any(result.problem is not None and not result.lacking for result in results)
    return 1 if broken or (judged and any(result.missed() for result in results)) else 0


def run(bench: Bench, *, quick: bool) -> Result:
    """Run one bench and read its figures; its exit status counts only where it printed none."""
    tell(f"— {bench.title} —")
    started = time.monotonic()
    arguments = bench.quick if quick else bench.arguments
    done = subprocess.run(
        [sys.executable, HERE / bench.file_name, *arguments, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    tell(f"  {time.monotonic() - started:.0f} s")
    try:
        answer: Any = json.loads(done.stdout)
    except json.JSONDecodeError:
        if done.returncode == LACKING:
            return Result(bench, {}, problem="Not measured: this machine lacks something, see above.", lacking=True)
        return Result(bench, {}, problem=f"The bench ended with status {done.returncode}, see above.")
    return Result(bench, bench.values_of(answer), bench.tables_of(answer))


if __name__ == "__main__":
    sys.exit(main())

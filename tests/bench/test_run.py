"""The benches run, print every figure that they promise, and small sizes are not judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "bench" / "run.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, RUN, *arguments], capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["library", "scanning", "scoring", "idle"])
def test_a_bench_measures_all_that_it_must(name: str) -> None:
    done = run("--quick", "--only", name)
    assert done.returncode == 0, done.stderr
    assert "nothing is judged" in done.stdout
    assert "not measured" not in done.stdout


def test_a_page_is_not_written_from_small_sizes(tmp_path: Path) -> None:
    page = tmp_path / "measured.md"
    assert run("--quick", "--only", "scanning", "--markdown", str(page)).returncode == 2
    assert not page.exists()

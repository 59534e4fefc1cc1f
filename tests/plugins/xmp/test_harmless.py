"""A small round of bench/prove_harmless.py: real photos, marked, marked again, undone.

`make prove-harmless`, which CI runs as well, takes all of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROOF = Path(__file__).resolve().parents[3] / "bench" / "prove_harmless.py"


def test_nothing_of_the_users_is_harmed(shared_photos: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool")
    folders = [shared_photos / "metadata", shared_photos / "good_odd"]
    run = subprocess.run(
        [sys.executable, PROOF, *folders, "--json", "--at-most", "12"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for report in json.loads(run.stdout):
        assert report["written"] > report["files"] / 2
        assert report["user_values_changed"] == report["other_bytes_changed"] == 0
        assert report["pixels_changed"] == 0
        assert report["failures"] == []

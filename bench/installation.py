"""How large keeprate is without torch: everything that `pip install .` brings into a fresh virtual environment.

    python bench/installation.py [--json]

Downloads packages, or takes them from pip's cache. pip itself does not count; compiled files do, as pip leaves them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from measuring import show, tell

PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keeprate-bench-") as folder:
        figures = measure(Path(folder) / "venv")
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, "pip install -c constraints.txt .")


def measure(environment: Path) -> dict[str, float]:
    """Install into `environment`, which is made, and count megabytes (10^6 bytes on disk) and packages."""
    tell("installing into a fresh virtual environment …")
    venv.create(environment, with_pip=True, symlinks=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    started = time.perf_counter()
    install = [*pip, "install", "--quiet", "--constraint", str(PROJECT / "constraints.txt"), str(PROJECT)]
    subprocess.run(install, check=True, stdout=sys.stderr)
    seconds = time.perf_counter() - started
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True, text=True)
    packages = len(json.loads(listed.stdout))
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", "pip"], check=True, stdout=sys.stderr)
    blocks = sum(path.lstat().st_blocks for path in environment.rglob("*"))
    return {"size_mb": blocks * 512 / 1e6, "packages": packages - 1, "seconds": seconds}


if __name__ == "__main__":
    main()

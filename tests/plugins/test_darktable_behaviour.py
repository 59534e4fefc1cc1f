"""The darktable plugin on a pretended darktable: what it writes, what it leaves, what it takes back.

`tests/viewers/test_darktable_plugin.py` runs it in darktable itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PLUGIN = REPOSITORY / "plugins" / "darktable" / "keeprate.lua"
BEHAVIOUR = Path(__file__).parent / "darktable" / "behaviour.lua"
PRETENDED_KEEPRATE = """\
#!/bin/sh
case "$1" in
  list) cat "$(dirname "$0")/list.csv" ;;
  labels)
    if [ -e "$(dirname "$0")/busy" ]; then echo "The daemon is running." >&2; exit 1; fi
    cp "$3" "$(dirname "$0")/imported.csv"
    echo "$(($(wc -l < "$3") - 1)) labels imported" ;;
esac
"""


@pytest.mark.parametrize("interpreter", ["lua5.4", "lua5.3"])
def test_only_ours_is_written_followed_and_taken_back(interpreter: str, tmp_path: Path) -> None:
    if shutil.which(interpreter) is None:
        pytest.skip(f"needs {interpreter}")
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    (folder / "link").symlink_to(folder)
    program = folder / "keeprate"
    program.write_text(PRETENDED_KEEPRATE)
    program.chmod(0o755)
    done = subprocess.run(
        [interpreter, BEHAVIOUR, PLUGIN, folder],
        capture_output=True, text=True, check=False, env={**os.environ, "PRETENDED_CONFIG": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

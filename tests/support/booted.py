"""This machine's own system, booted by systemd in a container: with logind, lingering, and a restart.

Everything that is written goes to an overlay in memory and vanishes with the test. Needs root and systemd-nspawn;
skips, with a reason, where they are missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

BOOT = r"""
set -eu
work=$1; shift
mount -t tmpfs -o size=1g tmpfs "$work"
mkdir "$work"/up "$work"/work "$work"/root "$work"/io
mount -t overlay overlay -o lowerdir=/,upperdir="$work"/up,workdir="$work"/work "$work"/root
mount -t tmpfs tmpfs /run/systemd; mkdir /run/systemd/system
units="$work"/root/etc/systemd/system
mkdir -p "$units"/multi-user.target.wants
cat > "$units"/in-test.service <<END
[Unit]
After=multi-user.target systemd-logind.service dbus.service
[Service]
Type=oneshot
ExecStart=/bin/bash -c "bash /io/script > /io/out 2>&1; echo \$? > /io/code"
ExecStopPost=systemctl --no-block poweroff
TimeoutStartSec=240
END
printf '[Timer]\nOnStartupSec=500ms\nAccuracySec=50ms\n' > "$units"/in-test.timer
ln -s ../in-test.timer "$units"/multi-user.target.wants/
for unit in systemd-timesyncd.service packagekit.service unattended-upgrades.service apt-daily.timer \
    apt-daily-upgrade.timer e2scrub_reap.service; do ln -sf /dev/null "$units/$unit"; done
for script in "$@"; do
    printf '%s\n' "$script" > "$work"/io/script
    rm -f "$work"/io/code "$work"/io/out
    timeout 280 systemd-nspawn --quiet --directory="$work"/root --boot --private-network --register=no --keep-unit \
        --machine=keeprate-test --bind="$work"/io:/io --tmpfs=/mnt < /dev/null > "$work"/io/console 2>&1 || true
    [ -e "$work"/io/out ] || { echo "it did not come up:"; tail -n 5 "$work"/io/console; exit 1; } >&2
    cat "$work"/io/out
    echo "code: $(cat "$work"/io/code 2>/dev/null || { tail -n 30 "$work"/io/console; echo never; })"
    echo "==== booted"
done
"""


@dataclass(frozen=True, slots=True)
class Booted:
    """What a script said in one life of the machine."""

    out: str
    code: str


def boot_each(scripts: list[str], folder: Path) -> list[Booted]:
    """Boot once for each of the scripts (run as root), shutting down in between; what they write stays so long."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to boot a container")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("systemd-nspawn is not installed (systemd-container)")
    command = ["unshare", "--mount", "--propagation=private", "bash", "-c", BOOT, "boot", str(folder), *scripts]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=570, check=False, errors="replace")
    except subprocess.TimeoutExpired:
        pytest.skip("this machine takes too long to boot a container")
    if done.returncode != 0:
        pytest.skip(f"no container can be booted here: {done.stderr.strip()[-300:]}")
    lives = done.stdout.split("==== booted\n")[:-1]
    return [Booted(*life.rpartition("code: ")[::2]) for life in lives]

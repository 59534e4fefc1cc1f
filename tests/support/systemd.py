"""A real `systemd --user` with a journal of its own, for an ordinary user, on a machine that was not booted by systemd.

Everything happens in mount and process namespaces of its own, which vanish with their first process: its `/run`,
`/var/log` and `/home` are empty file systems in memory, its `/etc/passwd` knows one more user. Needs root; skips, with
a reason, where that or systemd is missing. Limits of memory and processor are not enforced here.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.waiting import PATIENCE_S, wait_until

USER, UID = "ana", 54321
SYSTEMD = Path("/lib/systemd/systemd")
JOURNALD = Path("/lib/systemd/systemd-journald")
CGROUPS = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

SETUP = r"""
set -eu
base=$1; slice=$2; closed=$3; interpreter=$4; user=$5; uid=$6; home=$7; shift 7
# The interpreter may lie in a home that others cannot enter (/root/.pyenv): here they can.
if [ -n "$closed" ]; then
    mkdir "$base/interpreter"; mount --bind "$interpreter" "$base/interpreter"
    mount -t tmpfs -o mode=755 tmpfs "$closed"; mkdir -p "$interpreter"; mount --bind "$base/interpreter" "$interpreter"
fi
cp /etc/passwd "$base/passwd"; echo "$user:x:$uid:$uid::$home:/bin/bash" >> "$base/passwd"
mount --bind "$base/passwd" /etc/passwd
[ -s /etc/machine-id ] || {
    echo 0123456789abcdef0123456789abcdef > "$base/id"; mount --bind "$base/id" /etc/machine-id
}
for folder in /run /var/log /var/lib/systemd; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir -p /run/systemd/system /run/systemd/journal /run/log /run/lock /var/log/journal /var/lib/systemd/linger
touch /run/systemd/journal/flushed   # persistent from the start: each user has a journal file of their own
mkdir -m 700 -p "/run/user/$uid"; chown "$uid:$uid" "/run/user/$uid"
"$1" & until [ -S /run/systemd/journal/stdout ]; do sleep 0.02; done
# journald tells the unit from the cgroup's path, which has to look as it does on a desktop.
for cgroup in "$@"; do
    [ "$cgroup" != "$1" ] && [ -e "$cgroup/cgroup.procs" ] || continue
    mine="$cgroup/$slice/user@$uid.service"
    mkdir -p "$mine/init.scope"; chown -R "$uid:$uid" "$mine"; echo $$ > "$mine/init.scope/cgroup.procs"
done
cd "$home"
setpriv --reuid "$uid" --regid "$uid" --clear-groups env -i PATH="$PATH" HOME="$home" USER="$user" \
    XDG_RUNTIME_DIR="/run/user/$uid" LANG=C.UTF-8 /lib/systemd/systemd --user --log-target=journal &
wait $!  # not exec: as process 1 it would take itself for the system's
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command ended with."""

    code: int
    out: str
    err: str


class UserSystemd:
    """The session of one user; made by `user_systemd`."""

    def __init__(self, pid: int, home: Path) -> None:
        self._pid = pid
        self.home = home
        self.unit_folder = home / ".config/systemd/user"

    @property
    def runtime_folder(self) -> Path:
        """As the user sees it."""
        return Path(f"/run/user/{UID}")

    def path(self, inside: str | Path) -> Path:
        """The way from here to a path inside."""
        return Path(f"/proc/{self._pid}/root{inside}")

    def call(
        self, *command: str | Path, timeout_s: float = 2 * PATIENCE_S, without: Sequence[str] = (), **more: str
    ) -> Ran:
        """Run a command as the user, as from their terminal; `without` names variables that are not set."""
        environment = {
            "PATH": PATH, "HOME": str(self.home), "USER": USER, "LOGNAME": USER, "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": f"/run/user/{UID}", "COLUMNS": "200",
        } | more  # fmt: skip
        done = subprocess.run(
            [
                "nsenter", f"--target={self._pid}", "--mount", "--pid", "--wd=/",
                "setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups",
                "env", "-i", "-C", str(self.home),
                *(f"{name}={value}" for name, value in environment.items() if name not in without),
                *map(str, command),
            ],
            capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def done(self, *command: str | Path, timeout_s: float = 2 * PATIENCE_S, **more: str) -> str:
        """The same for a command that must succeed; returns what it prints."""
        ran = self.call(*command, timeout_s=timeout_s, without=(), **more)
        assert ran.code == 0, f"{command} ended with {ran.code}:\n{ran.out}\n{ran.err}\n{self.journal_text()}"
        return ran.out

    def systemctl(self, *arguments: str) -> str:
        return self.done("systemctl", "--user", *arguments)

    def shown(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value").strip()

    def wait_for(self, unit: str, name: str, value: str, timeout_s: float = PATIENCE_S) -> None:
        try:
            wait_until(lambda: self.shown(unit, name) == value, timeout_s)
        except AssertionError as error:
            said = f"{name} of {unit} is {self.shown(unit, name)!r}, not {value!r}"
            raise AssertionError(f"{said}\n{self.journal_text()}") from error

    def journal(self, *arguments: str) -> list[dict[str, Any]]:
        """Entries of the user's journal, all fields."""
        ran = self.call("journalctl", "--user", "--output=json", "--all", "--quiet", *arguments)
        return [json.loads(line) for line in ran.out.splitlines()]

    def journal_text(self) -> str:
        return self.call("journalctl", "--user", "--no-pager", "--quiet", "--lines=300").out

    def kill(self, pid: str | int, signal_name: str) -> None:
        """Send a signal to a process by its number inside."""
        self.done("kill", f"-{signal_name}", str(pid))


def needs_systemd() -> None:
    """Skip where no `systemd --user` can be started for a test."""
    if sys.platform != "linux" or not SYSTEMD.exists() or not JOURNALD.exists():
        pytest.skip("systemd is not installed")
    if os.geteuid() != 0:
        pytest.skip("needs root, to make namespaces and to become another user")
    for tool in ("unshare", "nsenter", "setpriv"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    apart = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation=private"]
    mounting = [*apart, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    probe = subprocess.run(mounting, check=False, capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"needs namespaces: {probe.stderr.strip()}")
    with contextlib.suppress(KeyError):
        pwd.getpwuid(UID)
        pytest.skip(f"the user number {UID} is taken")


@contextlib.contextmanager
def user_systemd() -> Iterator[UserSystemd]:
    """A user's session with systemd, for as long as the block runs."""
    needs_systemd()
    slice_name = f"keepratetest{secrets.token_hex(4)}.slice"
    with tempfile.TemporaryDirectory(prefix="keeprate-systemd-") as name:
        base = Path(name).resolve()
        base.chmod(0o755)
        home = base / "ana"
        home.mkdir()
        os.chown(home, UID, UID)
        with (base / "setup.log").open("wb") as log:
            outer = subprocess.Popen(
                [
                    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private",
                    "bash", "-c", SETUP, "setup", str(base), slice_name, _closed_ancestor(), sys.base_prefix, USER,
                    str(UID), str(home), str(JOURNALD), *map(str, CGROUPS),
                ],
                stdout=log, stderr=subprocess.STDOUT, env={"PATH": PATH},
            )  # fmt: skip
        try:
            session = _session_in(outer, home)
            if session is None:  # nothing of keeprate has been touched by then
                pytest.skip(f"no systemd --user can be started here: {(base / 'setup.log').read_text()[-300:]}")
            session.call("systemctl", "--user", "is-system-running", "--wait")
            yield session
        finally:
            outer.kill()
            outer.wait()
            _forget_cgroups(slice_name)


def _session_in(outer: subprocess.Popen[bytes], home: Path) -> UserSystemd | None:
    """The session when its systemd answers; None if it has not come up."""

    def first() -> list[psutil.Process]:
        return psutil.Process(outer.pid).children()

    with contextlib.suppress(AssertionError, IndexError, psutil.Error):  # too late, or never
        wait_until(lambda: outer.poll() is not None or bool(first()))
        session = UserSystemd(first()[0].pid, home)
        private = session.path(f"/run/user/{UID}/systemd/private")
        wait_until(lambda: outer.poll() is not None or private.exists())
        return session if outer.poll() is None else None
    return None


def _closed_ancestor() -> str:
    """The folder above the interpreter that keeps other users out; empty if none does."""
    for folder in reversed(Path(sys.base_prefix).resolve().parents):
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return ""


def _forget_cgroups(slice_name: str) -> None:
    """Remove what the session's processes lay in, as soon as the last of them is gone."""

    def gone() -> bool:
        for top in left:
            for folder in sorted(top.rglob("*/"), key=lambda path: -len(path.parts)):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()
        return not any(top.exists() for top in left)

    left = [cgroup / slice_name for cgroup in CGROUPS if (cgroup / slice_name).exists()]
    wait_until(gone, what="all processes of the session have ended")

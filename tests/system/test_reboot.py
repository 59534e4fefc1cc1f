"""The service of a user who is not logged in starts with the machine, where lingering is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.installation.program import this_program
from keeprate.paths import locate_home
from support.booted import boot_each

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PREPARE = """
set -eu
[ -x {program} ] || exit 77
chmod a+x /root   # the interpreter may lie there
useradd --create-home --uid 54321 --shell /bin/bash ana
as_ana() {{ setpriv --reuid 54321 --regid 54321 --init-groups env -i PATH=/usr/bin:/bin HOME=/home/ana USER=ana "$@"; }}
as_ana mkdir /home/ana/Pictures
as_ana {program} init /home/ana/Pictures > /dev/null
echo "-- without a session"
as_ana {program} service install --no-tray && exit 9
loginctl enable-linger ana
until [ -S /run/user/54321/systemd/private ]; do sleep 0.1; done
echo "-- with one"
as_ana {program} service install --no-tray
as_ana {program} service status
"""
LATER = """
set -eu
[ -x {program} ] || exit 77
as_ana() {{ setpriv --reuid 54321 --regid 54321 --init-groups env -i PATH=/usr/bin:/bin HOME=/home/ana USER=ana "$@"; }}
for _ in $(seq 1200); do
    as_ana env XDG_RUNTIME_DIR=/run/user/54321 systemctl --user is-active keeprate && break
    sleep 0.1
done
loginctl list-sessions --no-legend | wc -l
as_ana {program} service status
as_ana {program} service uninstall > /dev/null
as_ana {program} service status
"""


def test_with_lingering_it_survives_a_restart_of_the_machine(tmp_path: Path) -> None:
    program = this_program(locate_home()).command[0]
    first, second = boot_each([script.format(program=program) for script in (PREPARE, LATER)], tmp_path)
    if first.code.strip() == "77":
        pytest.skip("this keeprate lies where the container has something of its own (/tmp, another disk)")
    assert first.code.strip() == "0", first.out
    before, after = first.out.split("-- with one")
    assert "there is no session of yours" in before
    assert "sudo loginctl enable-linger ana" in before
    assert "The service runs now" in after
    assert "loginctl enable-linger" not in after
    assert "and without a login (lingering)" in after
    assert second.code.strip() == "0", second.out
    assert "\n0\n" in second.out  # nobody is logged in
    assert "active, process" in second.out
    assert "The service is not installed" in second.out

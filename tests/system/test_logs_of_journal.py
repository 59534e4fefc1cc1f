"""`keeprate logs` where a real systemd keeps the lines: the journal gives back what was told."""

from __future__ import annotations

import json
import os

import pytest

from keeprate.installation.program import this_program
from keeprate.paths import locate_home
from support.systemd import UID, user_systemd

pytestmark = pytest.mark.system

FOLLOW = """
set -m  # what is started beside a shell would else not hear Ctrl-C
"$0" logs -f -n 200 > ~/out & until grep daemon.started ~/out; do sleep 0.1; done; kill -INT $!; wait $!
"""


def test_the_journal_is_read_back() -> None:
    with user_systemd() as ana:
        program = this_program(locate_home()).command[0]
        ana.done("mkdir", "-p", ana.home / "Pictures", ana.home / ".config/keeprate")
        config = ana.home / ".config/keeprate/config.toml"
        config.write_text(f'[[library]]\nname = "photos"\nroot = "{ana.home}/Pictures"\n')
        os.chown(config, UID, UID)
        assert ana.call(program, "logs").code == 1, "nothing was kept yet"
        ana.done(program, "service", "install", "--no-tray")

        entries = [json.loads(line) for line in ana.done(program, "logs", "--json").splitlines()]
        (started,) = (entry for entry in entries if entry["event"] == "daemon.started")
        assert started["data"] == {"pid": int(ana.shown("keeprate.service", "MainPID"))}
        assert started["level"] == "info"
        assert started["sentence"].startswith("keeprate has started")
        assert [entry for entry in entries if entry["event"] is None], "systemd's own lines are there too"

        assert "[daemon.started pid=" in ana.done(program, "logs", "--since", "1h")
        assert len(ana.done(program, "logs", "-n", "1").splitlines()) == 1
        assert ana.done(program, "logs", "--since", "2100-01-01") == ""
        assert not (ana.home / ".local/state/keeprate/keeprate.log").exists(), "the journal is enough"
        following = ana.call("bash", "-c", FOLLOW, program)
        assert "daemon.started" in following.out
        assert "Traceback" not in following.err

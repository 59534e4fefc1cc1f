from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from doctor.conftest import Named
from keeprate import __version__
from keeprate.doctor.finding import Patient, State
from keeprate.doctor.service import look_at_daemon, look_at_service, look_at_tray, service_findings
from keeprate.installation.state import ServiceState
from keeprate.steps.lock import hold_lock
from support.api import serving

INSTALLED = ServiceState(
    kind="systemd", unit="keeprate.service", why_not="", advice="", file=Path("/u/keeprate.service"),
    file_kind="current", written_by=__version__, drop_ins=(), program="/venv/bin/keeprate", program_exists=True,
    enabled=True, active="active", since=1.0, pid=7, status_text="Idle.", last_exit="", restarts=0, lingering=True,
    other_daemon=None, tray_file=None, problems=(),
)  # fmt: skip


def test_the_service() -> None:
    (fine,) = service_findings(INSTALLED)
    assert (fine.state, fine.sentence) == (State.OK, "The service keeprate.service is installed and active.")
    (away,) = service_findings(replace(INSTALLED, file_kind="missing", why_not="There is no bus."))
    assert (away.state, away.advice) == (State.OK, "keeprate service install")
    (failed,) = service_findings(replace(INSTALLED, active="failed", last_exit="exit code 2"))
    assert failed.state is State.ERROR
    assert failed.sentence == "The service keeprate.service does not run: exit code 2."
    (moved,) = service_findings(replace(INSTALLED, program_exists=False))
    assert "/venv/bin/keeprate does not exist any more" in moved.sentence
    (odd,) = service_findings(replace(INSTALLED, problems=("Lingering is off.",)))
    assert (odd.state, odd.sentence) == (State.WARNING, "Lingering is off.")


def test_the_service_of_this_machine(patient: Patient) -> None:
    assert all(one.name == "service" for one in look_at_service(patient))


def test_no_daemon(patient: Patient) -> None:
    (found,) = look_at_daemon(patient)
    assert (found.state, found.sentence) == (State.OK, "The daemon is not running.")


def test_a_daemon_that_does_not_answer(patient: Patient) -> None:
    with hold_lock(patient.home.daemon_lock_file):
        (found,) = look_at_daemon(patient)
    assert found.state is State.ERROR
    assert f"(process {os.getpid()}) runs, but does not answer" in found.sentence


def test_a_daemon_that_answers(patient: Patient, named: Named) -> None:
    with serving(patient.home) as served:
        served.control.said = replace(served.control.said, attention=("The disk is full.",))
        found = named(look_at_daemon(patient))
    assert found["daemon"].sentence == f"The daemon (process {os.getpid()}, keeprate {__version__}) answers: Idle."
    assert (found["daemon.attention"].state, found["daemon.attention"].sentence) == (State.WARNING, "The disk is full.")


def test_the_tray(patient: Patient) -> None:
    (found,) = look_at_tray(patient)
    assert found.state is State.OK
    assert found.sentence

"""What runs: the service that starts the daemon, the daemon itself, the icon in the tray.

What each of them needs is imported by its own check: where that is broken, the others are still looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from keeprate.doctor.finding import Finding, Patient, error, ok, warning
from keeprate.steps.lock import lock_holder

if TYPE_CHECKING:
    from keeprate.installation.state import ServiceState


def look_at_service(patient: Patient) -> Iterator[Finding]:
    """Is it installed, and does it do what it shall? Not to have one is fine: cron and `keeprate run` do as well."""
    from keeprate.installation.state import service_state

    yield from service_findings(service_state(patient.home))


def service_findings(state: ServiceState) -> Iterator[Finding]:
    """What there is to say about the service."""
    if not state.installed:
        why = f" ({state.why_not})" if state.why_not else ""
        yield ok("service", f"keeprate is not installed as a service{why}.", state.advice or "keeprate service install")
        return
    for problem in state.problems:
        yield warning("service", problem)
    if state.active == "failed" or not state.program_exists:
        ended = f": {state.last_exit}" if state.last_exit else ""
        gone = "" if state.program_exists else f", and {state.program} does not exist any more"
        yield error(
            "service",
            f"The service {state.unit} does not run{ended}{gone}.",
            "`keeprate service install` puts it right; `keeprate service logs` tells more.",
        )
    elif not state.problems:
        now = f" and {state.active}" if state.active else ""
        yield ok("service", f"The service {state.unit} is installed{now}.", state.advice)


def look_at_daemon(patient: Patient) -> Iterator[Finding]:
    """Does one run, and does it answer?"""
    from keeprate.api.client import DaemonClient

    pid = lock_holder(patient.home.daemon_lock_file)
    client = DaemonClient.connect(patient.home)
    if client is None:
        if pid is None:
            yield ok("daemon", "The daemon is not running.", "`keeprate run` starts it; `keeprate sync` works without.")
        else:
            yield error(
                "daemon",
                f"The daemon (process {pid}) runs, but does not answer on {patient.home.socket_file}.",
                "If it has just been started, wait a moment; else `keeprate service restart`, or end it and start it "
                "again.",
            )
        return
    with client:
        live = client.live()
    for sentence in live.attention:
        yield warning("daemon.attention", sentence)
    yield ok("daemon", f"The daemon (process {live.pid}, keeprate {live.version}) answers: {live.sentence}")


def look_at_tray(_: Patient) -> Iterator[Finding]:
    """Could an icon be shown here? Without one there is the page."""
    from keeprate.tray.desktop import tray_state

    state = tray_state()
    if state.available:
        yield ok("tray", f"An icon can be shown ({state.backend}).", state.advice)
    else:
        yield ok("tray", f"No tray icon: {state.why_not}", state.advice or "`keeprate web --open` opens the page.")

"""All checks, one after another: one that fails or hangs is told about and keeps no other from being made."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from keeprate.doctor.configuration import config_or_empty, look_at_config
from keeprate.doctor.finding import Check, Finding, Patient, error, warning
from keeprate.errors import KeeprateError
from keeprate.paths import Home

log = logging.getLogger("keeprate")


def patient_of(home: Home) -> Patient:
    """`home` as far as it can be read."""
    return Patient(home, config_or_empty(home))


def checks_for(patient: Patient, *, speed: bool = True) -> Sequence[Check]:
    """What is looked at, in this order; with `speed` the model is loaded too, which takes its time."""
    from keeprate.doctor.database import look_at_database
    from keeprate.doctor.inotify import look_at_inotify
    from keeprate.doctor.libraries import look_at_library
    from keeprate.doctor.machine import look_at_clock, look_at_disk
    from keeprate.doctor.models import TRY_FOR_S, look_at_model, look_at_speed
    from keeprate.doctor.program import look_at_memory, look_at_packages, look_at_python
    from keeprate.doctor.service import look_at_daemon, look_at_service, look_at_tray

    libraries = [
        Check("library", f"library {library.name}", partial(look_at_library, library=library))
        for library in patient.config.library
    ]
    checks = [
        Check("python", "Python", look_at_python),
        Check("packages", "packages", look_at_packages),
        Check("config", "config", look_at_config),
        *libraries,
        Check("inotify", "watched folders", look_at_inotify),
        Check("database", "catalog", look_at_database),
        Check("disk", "disk", look_at_disk),
        Check("memory", "memory", look_at_memory),
        Check("clock", "clock", look_at_clock),
        Check("service", "service", look_at_service),
        Check("daemon", "daemon", look_at_daemon),
        Check("tray", "tray", look_at_tray),
        Check("model", "model", look_at_model),
    ]
    return [*checks, Check("model.speed", "model's speed", look_at_speed, TRY_FOR_S + 10)] if speed else checks


def examine(
    patient: Patient, checks: Sequence[Check], tell: Callable[[Check], None] = lambda _: None
) -> Iterator[Finding]:
    """Make every check in turn and pass on what it finds, as it finds it; `tell` hears of each before it is made."""
    for check in checks:
        tell(check)
        yield from _made(check, patient)


def _made(check: Check, patient: Patient) -> Iterator[Finding]:
    """In a thread of its own, so that a call into a dead file system can be left behind."""
    found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()

    def look() -> None:
        try:
            for finding in check.look(patient):
                found.put(finding)
        except Exception as problem:  # one check must not keep the others from being made
            found.put(_unmade(check, problem))
        finally:
            found.put(None)

    threading.Thread(target=look, name=f"doctor-{check.name}", daemon=True).start()
    while True:
        try:
            finding = found.get(timeout=check.patience_s)
        except queue.Empty:
            yield error(
                check.name,
                f"Looking at the {check.title} took longer than {check.patience_s:g} s and was given up.",
                "A network share that does not answer, or a very slow disk?",
            )
            return
        if finding is None:
            return
        yield finding


def _unmade(check: Check, problem: Exception) -> Finding:
    what = f"The {check.title} could not be looked at"
    if isinstance(problem, KeeprateError):
        return error(check.name, f"{what}: {problem.what}", problem.advice)
    if isinstance(problem, sqlite3.Error):
        return warning(check.name, f"{what}: the catalog cannot be read.", "See what is said of the catalog.")
    if isinstance(problem, OSError):
        return error(check.name, f"{what}: {problem.strerror or problem} ({problem.filename or 'no path'}).")
    log.debug("the check %s failed", check.name, exc_info=problem)
    return error(check.name, f"{what}: {type(problem).__name__}: {problem}.", "Please report this: it is a bug.")

"""Pauses as commands begin and end them: told to the daemon, or noted in the catalog where none can be told."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from keeprate.cli.running_daemon import daemon_of, unheard

if TYPE_CHECKING:
    from collections.abc import Callable

    from keeprate.catalog.connection import Catalog
    from keeprate.catalog.jobs import JobRecord
    from keeprate.paths import Home
    from keeprate.steps.session import Session
    from keeprate.steps.tasks import UndoOutcome

WRITE = "write"


def begin_pause(home: Home, job: str | None, until: float | None = None) -> str:
    """Pause one job or (None) everything; what to say if no daemon heard of it."""
    from keeprate.errors import DaemonNotRunningError

    with suppress(DaemonNotRunningError):  # it ended just now
        client = daemon_of(home)
        if client is not None:
            with client:
                client.pause(job, until=until)
            return ""
    _note(home, job, paused=True, until=until)
    return unheard(home)


def end_pause(home: Home, job: str | None) -> tuple[str, tuple[str, ...]]:
    """End the pause of one job or (None) of everything; what to say if no daemon heard of it, and what rests still.

    Jobs that were paused one by one go on one by one: else “go on” would bring marks back that were taken back.
    """
    from keeprate.catalog import open_catalog
    from keeprate.errors import DaemonNotRunningError

    with suppress(DaemonNotRunningError):
        client = daemon_of(home)
        if client is not None:
            with client:
                client.resume(job)
                return "", tuple(one.name for one in client.live().jobs if one.state == "paused")
    _note(home, job, paused=False)
    with open_catalog(home.catalog_file) as catalog:
        return unheard(home), _resting(catalog)


def taken_back_for_good(session: Session, take_back: Callable[[], UndoOutcome]) -> UndoOutcome:
    """Take marks back while no daemon writes any; it writes none from then on either, until it is resumed.

    If nothing was taken back, a pause of the user's is put back as it was. That holds for what fails or is interrupted,
    too; where it was in the midst of it, that is said.
    """
    from keeprate.catalog import jobs, journal

    former = jobs.all_jobs(session.catalog).get(WRITE)
    if former is None or not former.paused or former.paused_until is not None:
        begin_pause(session.home, WRITE)
    undone = journal.count_undone(session.catalog)
    try:
        outcome = take_back()
    except BaseException:
        if journal.count_undone(session.catalog) > undone:
            typer.echo("Some marks were taken back. A daemon writes none until `keeprate resume write`.", err=True)
        else:
            _put_back(session.home, former)
        raise
    if not outcome.restored + outcome.removed_ours:
        _put_back(session.home, former)
    return outcome


def writing_pause(session: Session) -> tuple[str, ...]:
    """For somebody who writes marks by hand: that the daemon goes on to write none."""
    if WRITE not in _resting(session.catalog):
        return ()
    return ("A daemon goes on to write no marks by itself, until `keeprate resume write`.",)


def _put_back(home: Home, former: JobRecord | None) -> None:
    if former is None or not _rests(former):
        end_pause(home, WRITE)
    elif former.paused_until is not None:
        begin_pause(home, WRITE, former.paused_until)


def _rests(job: JobRecord) -> bool:
    return job.paused and (job.paused_until is None or job.paused_until > time.time())


def _resting(catalog: Catalog) -> tuple[str, ...]:
    """The jobs that are paused one by one."""
    from keeprate.catalog import jobs

    return tuple(name for name, one in jobs.all_jobs(catalog).items() if name != jobs.ALL and _rests(one))


def _note(home: Home, job: str | None, *, paused: bool, until: float | None = None) -> None:
    """In the catalog alone, which is where a daemon that starts looks."""
    from keeprate.catalog import jobs, open_catalog

    with open_catalog(home.catalog_file) as catalog:
        jobs.record_pause(catalog, job or jobs.ALL, paused=paused, until=until)

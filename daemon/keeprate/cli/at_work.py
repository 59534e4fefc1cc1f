"""A command at work: it holds the work lock, and a running daemon makes way for it.

Every command does its work in its own process, with or without a daemon, so the answers are the same, any file that
the person can reach works, and Ctrl-C works. The daemon holds the lock only while it is at work itself; asked to make
way, it lets go at the next batch and goes on by itself afterwards.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from keeprate.cli.output import progress_shown
from keeprate.cli.running_daemon import make_way, tell_of_catalog

if TYPE_CHECKING:
    from keeprate.paths import Home
    from keeprate.steps.session import Session

PATIENCE_S = 60.0
"""So long a command waits for the daemon to come to the end of a batch, or for another command to be done."""
UNANSWERED_S = 10.0
"""So long for a daemon that says nothing: it has only just started, is about to end, or is not well."""
ASKED_AGAIN_AFTER_S = 2.0
LOOKED_AGAIN_AFTER_S = 0.05


@contextmanager
def at_work(*, quiet: bool) -> Iterator[Session]:
    """A session under the work lock of this home, with progress shown.

    Raises:
        BusyError: another command is at work here for long, or a daemon that does not make way.
    """
    from keeprate.paths import locate_home
    from keeprate.steps.session import open_session

    home = locate_home()
    with (
        work_lock(home, quiet=quiet),
        progress_shown(quiet=quiet) as reporter,
        open_session(home, reporter) as session,
    ):
        yield session


@contextmanager
def work_lock(home: Home, *, quiet: bool) -> Iterator[None]:
    """Hold the work lock; a daemon that holds it is asked to let go, and told when there is something new.

    Raises:
        BusyError: another command is at work here for long, or a daemon that does not make way.
    """
    with contextlib.ExitStack() as held:
        _take(home, held, quiet=quiet)
        try:
            yield
        finally:
            held.close()  # first, so that the daemon finds the lock free when it looks
            tell_of_catalog(home)


def _take(home: Home, held: contextlib.ExitStack, *, quiet: bool) -> None:
    from keeprate.errors import BusyError
    from keeprate.steps.lock import hold_lock

    began = time.monotonic()
    asked_at: float | None = None
    patience_s, told = UNANSWERED_S, ""
    while True:
        try:
            held.enter_context(hold_lock(home.lock_file))
        except BusyError as busy:
            now = time.monotonic()
            say = told
            if not _held_by_daemon(home):
                patience_s = PATIENCE_S
                say = f"{busy.what} Waiting for it, for up to {patience_s:.0f} seconds."
            elif asked_at is None or now - asked_at > ASKED_AGAIN_AFTER_S:
                asked_at = now
                if make_way(home, f"keeprate {' '.join(sys.argv[1:2])} (process {os.getpid()})"):
                    patience_s = PATIENCE_S
                    say = "The daemon is at work and makes way; it goes on afterwards."
            if now - began > patience_s:
                raise
            if say != told and not quiet:
                typer.echo(say, err=True)
            told = say
            time.sleep(LOOKED_AGAIN_AFTER_S)
        else:
            return


def _held_by_daemon(home: Home) -> bool:
    """Whether it is not another command that holds the lock; one that has just let go counts as the daemon."""
    from keeprate.steps.lock import lock_holder

    holder = lock_holder(home.lock_file)
    return holder is None or holder == lock_holder(home.daemon_lock_file)

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator

from keeprate.doctor.examining import checks_for, examine
from keeprate.doctor.finding import Check, Finding, Patient, State, error, ok
from keeprate.errors import LibraryOfflineError
from support.waiting import PATIENCE_S


def fine(_: Patient) -> Iterator[Finding]:
    yield ok("fine", "All well.")


def halfway(_: Patient) -> Iterator[Finding]:
    yield ok("half", "This much was seen.")
    raise LibraryOfflineError("The disk went away.", advice="Plug it in.")


def buggy(_: Patient) -> Iterable[Finding]:
    raise KeyError("nobody thought of it")


def unreadable(_: Patient) -> Iterable[Finding]:
    raise sqlite3.DatabaseError("file is not a database")


def refused(_: Patient) -> Iterable[Finding]:
    raise PermissionError(13, "Permission denied", "/closed")


def test_a_check_that_fails_keeps_no_other_from_being_made(patient: Patient) -> None:
    looks = (halfway, buggy, unreadable, refused, fine)
    told: list[str] = []
    found = list(
        examine(patient, [Check(look.__name__, "thing", look) for look in looks], lambda check: told.append(check.name))
    )
    assert told == ["halfway", "buggy", "unreadable", "refused", "fine"]
    assert found == [
        ok("half", "This much was seen."),
        error("halfway", "The thing could not be looked at: The disk went away.", "Plug it in."),
        error(
            "buggy",
            "The thing could not be looked at: KeyError: 'nobody thought of it'.",
            "Please report this: it is a bug.",
        ),
        Finding(
            "unreadable",
            State.WARNING,
            "The thing could not be looked at: the catalog cannot be read.",
            "See what is said of the catalog.",
        ),
        error("refused", "The thing could not be looked at: Permission denied (/closed)."),
        ok("fine", "All well."),
    ]


def test_a_check_that_hangs_is_given_up(patient: Patient) -> None:
    never = threading.Event()

    def hang(_: Patient) -> Iterator[Finding]:
        yield ok("before", "This came first.")
        never.wait()

    hanging = Check("hang", "share", hang, PATIENCE_S)
    found = []
    try:
        for finding in examine(patient, [hanging, Check("fine", "thing", fine, PATIENCE_S)]):
            found.append(finding)
            object.__setattr__(hanging, "patience_s", 0.2)  # only now: it may be slow to begin
    finally:
        never.set()
    assert [(one.name, one.state) for one in found] == [("before", "ok"), ("hang", "error"), ("fine", "ok")]
    assert found[1].sentence == "Looking at the share took longer than 0.2 s and was given up."


def test_every_library_is_looked_at_by_itself(patient: Patient) -> None:
    assert [check.title for check in checks_for(patient) if check.name == "library"] == ["library camera"]
    names = [check.name for check in checks_for(patient)]
    assert set(names) - {check.name for check in checks_for(patient, speed=False)} == {"model.speed"}
    assert names.index("config") < names.index("library") < names.index("model.speed") == len(names) - 1

"""Labels that somebody gives by naming photos, on the page or in a program: all of them are taken, or none.

A person who looks at a photo speaks of the shot. So what other photos of the shot say otherwise is withdrawn, and the
shot has the label that was given last, whichever of its files lies in which folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from keeprate.catalog import companions, files, labels
from keeprate.catalog.connection import writing
from keeprate.catalog.labels import Label, LabelSource
from keeprate.errors import UsageError
from keeprate.steps.labels.shots import Said, said_of_shots
from keeprate.steps.session import Session


@dataclass(frozen=True, slots=True)
class Statement:
    """That a photo belongs into `bucket` of `head`; None: nothing is said of it any more."""

    content_key: str
    head: str
    bucket: str | None


@dataclass(frozen=True, slots=True)
class SayingOutcome:
    """What became of statements."""

    changed: int
    """Photos that have another label now than before."""
    unchanged: int
    undo: tuple[Statement, ...]
    """What to say to take all of it back."""


class StatementsError(UsageError):
    """Some of the statements make no sense; `details` has a sentence on each. Nothing was taken."""

    def __init__(self, details: Sequence[str]) -> None:
        super().__init__(f"{len(details)} of the labels make no sense; none was taken.", advice=details[0])
        self.details = tuple(details)


def say(session: Session, statements: Sequence[Statement], source: LabelSource) -> SayingOutcome:
    """Take what was said.

    Raises:
        StatementsError: a photo, head or bucket does not exist, or two statements contradict each other.
    """
    wanted = _understood(session, statements)
    changed, undo = 0, list[Statement]()
    with writing(session.catalog):
        for head in dict.fromkeys(one.head for one in wanted):
            of_head = [one for one in wanted if one.head == head]
            before = said_of_shots(session, head)
            news = [one for one in of_head if _bucket(before.of_photo(one.content_key)) != one.bucket]
            news += [one for one in of_head if before.companions.shot(one.content_key) in before.disagreeing]
            news = list(dict.fromkeys(news))
            undo += [_as_it_was(one, before) for one in news]
            told = dict.fromkeys([*news, *_against_what_would_return(session, of_head, before)])
            labels.append(session.catalog, [_label(session, one, source) for one in told])
            _withdraw_contrary(session, head, news, source)
            changed += len(news)
    return SayingOutcome(changed, len(statements) - changed, tuple(undo))


def _understood(session: Session, statements: Sequence[Statement]) -> list[Statement]:
    """The statements, each once.

    Raises:
        StatementsError: some make no sense.
    """
    heads = session.heads()
    known = companions.load(session.catalog)
    said: dict[tuple[str, str], Statement] = {}
    wrong: list[str] = []
    for one in statements:
        if one.head not in heads:
            wrong.append(f"There is no head called {one.head!r}.")
        elif one.bucket is not None and one.bucket not in heads[one.head]:
            wrong.append(f"{one.bucket!r} is no bucket of the head {one.head!r}: {', '.join(heads[one.head])}.")
        elif not _is_of_head(session, one):
            wrong.append(f"No library with the head {one.head!r} has or had the photo {one.content_key}.")
        elif said.setdefault((one.head, known.shot(one.content_key)), one).bucket != one.bucket:
            wrong.append(f"Two of the labels contradict each other about the photo {one.content_key}.")
    if wrong:
        raise StatementsError(wrong)
    return list(said.values())


def _is_of_head(session: Session, one: Statement) -> bool:
    return any(files.has_seen(session.catalog, library, one.content_key) for library in session.libraries_of(one.head))


def _label(session: Session, one: Statement, source: LabelSource) -> Label:
    lying = files.of_photo(session.catalog, one.content_key)
    return Label(one.content_key, one.head, one.bucket, source, time.time(), lying[0].path if lying else None)


def _against_what_would_return(session: Session, of_head: Sequence[Statement], before: Said) -> Iterator[Statement]:
    """The statements about those photos of which the opposite was said and would count again when they are moved."""
    besides = labels.said_besides(session.catalog, of_head[0].head)
    for one in of_head:
        for key in before.companions.photos(one.content_key):
            if key in besides and besides[key].bucket != one.bucket:
                yield replace(one, content_key=key)


def _withdraw_contrary(session: Session, head: str, news: Sequence[Statement], source: LabelSource) -> None:
    """Take back what other photos of the shots say otherwise, until the shots say what was said now."""
    while contrary := list(_contrary(said_of_shots(session, head), news)):
        now = time.time()
        labels.append(session.catalog, [Label(key, head, None, source, now, None) for key in contrary])


def _contrary(said: Said, news: Sequence[Statement]) -> Iterator[str]:
    """Content keys of the labels that count for a shot and are not what was said of it."""
    for one in news:
        leader = said.companions.shot(one.content_key)
        counting = said.disagreeing.get(leader) or tuple(filter(None, [said.of_shot.get(leader)]))
        for label in counting:
            if label.bucket != one.bucket and label.content_key != one.content_key:
                yield label.content_key


def _as_it_was(one: Statement, before: Said) -> Statement:
    label = before.of_photo(one.content_key)
    return Statement(one.content_key, one.head, None) if label is None else Statement(
        label.content_key, one.head, label.bucket
    )  # fmt: skip


def _bucket(label: Label | None) -> str | None:
    return None if label is None else label.bucket

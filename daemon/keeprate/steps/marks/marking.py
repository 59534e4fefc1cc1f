"""The write step, in the worker: plan marks, journal each, apply it, close the journal."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import overload

from keeprate.catalog import given_marks, heads, journal, models, problems, runs, scores
from keeprate.catalog.scores import RankedPhoto
from keeprate.config.models import LibraryConfig
from keeprate.plugin_api import (
    BurstPlace,
    Change,
    LibraryPlace,
    MarkRefusedError,
    MarkRequest,
    PhotoFile,
    PhotoManager,
    ScoredPhoto,
    Shown,
    Skipped,
)
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.marks.journalling import Writer, make_durable, settle_planned
from keeprate.steps.marks.managers import check_marks, managers_for
from keeprate.steps.marks.recalling_given import recall_given
from keeprate.steps.marks.taking_marks import said_of_photos
from keeprate.steps.marks.unwanted import take_back_unwanted
from keeprate.steps.photos.grouping_run import burst_places
from keeprate.steps.photos.scanning import check_root, exclusions_of
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import PlannedMark, WriteOutcome, WriteTask, counted
from keeprate.steps.worker import Working

LEFT_ALONE_SHOWN = 500
"""So many refusals travel back with their reasons; the rest are counted."""
KEPT_RUNS = 5
"""So many write runs can be taken back one by one; older ones only together."""


@dataclass
class _Tally:
    """What a write run has done so far."""

    written: int = 0
    refused: int = 0
    skipped: int = 0
    postponed: int = 0
    removed: int = 0
    planned: list[PlannedMark] = field(default_factory=list)
    left_alone: list[PlannedMark] = field(default_factory=list)

    def leave(self, library: str, manager: str, path: Path, field_: str, reason: str) -> None:
        if len(self.left_alone) < LEFT_ALONE_SHOWN:
            self.left_alone.append(PlannedMark(library, manager, str(path), field_, reason))

    def take_back(self, entry: journal.Entry, reason: str | None, *, dry_run: bool) -> None:
        """Note a place that no setting asks for; `reason`: why it could not be taken back."""
        if reason is not None:
            self.refused += 1
            self.leave(entry.library, entry.manager, Path(entry.path), entry.field, reason)
        elif dry_run:
            gone = "taken back: no setting asks for it any more"
            self.planned.append(PlannedMark(entry.library, entry.manager, entry.path, entry.field, gone))
        else:
            self.removed += 1


def write(session: Session, task: WriteTask, working: Working) -> WriteOutcome:
    """Bring the marks of every library that is online up to date with its scores.

    Raises:
        DiskFullError: there is no room for a mark; what stood before is intact.
        ConfigError: a `[library.marks.…]` table makes no sense.
    """
    check_marks(session.config)
    tally = _Tally()
    run_id = None
    if not task.dry_run:
        make_durable(session.catalog)
        settle_planned(session)
        recall_given(session)
        run_id = runs.begin(session.catalog, "write")
    opening = _Watched(working, {*problems.paths_of(session.catalog, "open"), *task.unopened}, task.one_by_one)
    for library in session.libraries(task.library):
        if check_root(session, library, exclusions_of(session, library)) is not None:
            continue
        for entry, reason in take_back_unwanted(session, library, working, task.without, dry_run=task.dry_run):
            tally.take_back(entry, reason, dry_run=task.dry_run)
        request = _first_of(session, library, working, opening, task.without)
        if request is None:
            continue
        for name, manager in managers_for(library).items():
            _write_library(session, library, name, manager, request, run_id, tally, working, task.without)
    if run_id is not None:
        if tally.written:
            runs.finish(
                session.catalog, run_id, f"{counted(tally.written, 'mark')} written, {tally.refused} refused",
                {"written": tally.written, "refused": tally.refused, "skipped": tally.skipped},
            )  # fmt: skip
            journal.compact(session.catalog, KEPT_RUNS)
        else:
            journal.drop_run(session.catalog, run_id)
            runs.forget(session.catalog, run_id)
            run_id = None
    return WriteOutcome(
        run=run_id,
        written=tally.written,
        refused=tally.refused,
        skipped=tally.skipped,
        postponed=tally.postponed,
        planned=tuple(tally.planned),
        left_alone=tuple(tally.left_alone),
        removed=tally.removed,
        cancelled=session.reporter.cancelled(),
    )


def _first_of(
    session: Session, library: LibraryConfig, working: Working, opening: _Watched, without: Collection[str]
) -> MarkRequest | None:
    """What a library's photo managers get: the scores by the head to mark, those by the others when asked for."""

    def of_head(name: str) -> MarkRequest | None:
        request = mark_request(session, library, name, without) if name in library.heads else None
        if request is None:
            return None
        return replace(request, photos=_Announced(request.photos, working), opening=opening)

    first = of_head(library.head_to_mark)
    return None if first is None else replace(first, of_head=of_head)


def mark_request(
    session: Session, library: LibraryConfig, name: str, without: Collection[str] = ()
) -> MarkRequest | None:
    """The photos of a library as the head `name` scores them; None if no version of it is in use.

    Photos with a file in `without` are left out.
    """
    catalog = session.catalog
    version = heads.in_use(catalog, name)
    if version is None:
        return None
    deadly = problems.paths_of(catalog, "mark").union(without)
    said = {key: label.bucket for key, label in said_of_shots(session, name).of_photos().items() if label.bucket}
    ranked = [photo for photo in scores.ranked(catalog, name, said, library.name) if deadly.isdisjoint(photo.paths)]
    model = next((model.name for model in models.all_models(catalog) if model.id == version.model_id), "a former model")
    return MarkRequest(
        library=LibraryPlace(library.name, library.root),
        head=name,
        model=f"{name}#{version.version} on {model}",
        scored_at=datetime.fromtimestamp(version.trained_at, UTC),
        photos=_scored(
            ranked,
            version.buckets,
            said_of_photos(session),
            given_marks.everything(catalog),
            burst_places(session, library.name, name),
            deadly,
        ),
        last_written=_nothing_written,
    )


class _Announced(Sequence[ScoredPhoto]):
    """The photos of a request; each is announced before a photo manager looks at it, so that a crash has a name."""

    def __init__(self, photos: Sequence[ScoredPhoto], working: Working) -> None:
        self._photos = photos
        self._working = working

    def __len__(self) -> int:
        return len(self._photos)

    @overload
    def __getitem__(self, index: int) -> ScoredPhoto: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ScoredPhoto]: ...

    def __getitem__(self, index: int | slice) -> ScoredPhoto | Sequence[ScoredPhoto]:
        return self._photos[index]

    def __iter__(self) -> Iterator[ScoredPhoto]:
        for photo in self._photos:
            self._working([str(photo.path), *(str(companion.path) for companion in photo.companions)])
            yield photo
        self._working([])


class _Watched:
    """What photo managers hold while they decode a photo: names it, keeps those out that kill, one at a time if asked.

    Each thread announces its own.
    """

    def __init__(self, working: Working, deadly: Collection[str], one_by_one: bool) -> None:
        self._working = working
        self._deadly = deadly
        self._turn = threading.Lock() if one_by_one else nullcontext()

    @contextmanager
    def __call__(self, photo: Path) -> Iterator[None]:
        if str(photo) in self._deadly:
            raise MarkRefusedError("decoding it killed the worker process")
        with self._turn:
            self._working([str(photo)])
            try:
                yield
            finally:
                self._working([])


def _nothing_written(_path: Path, _field: str) -> bytes | None:
    """Stands in until the request is made out to one photo manager."""
    return None


def _scored(
    ranked: Sequence[RankedPhoto],
    buckets: tuple[str, ...],
    told: Mapping[str, tuple[Shown, ...]],
    given: Mapping[str, frozenset[Shown]],
    places: Mapping[str, BurstPlace],
    deadly: Collection[str] = (),
) -> list[ScoredPhoto]:
    last = max(1, len(ranked) - 1)
    return [
        ScoredPhoto(
            content_key=photo.content_key,
            path=Path(photo.paths[0]),
            other_paths=tuple(Path(path) for path in photo.paths[1:]),
            buckets=buckets,
            probabilities=photo.probabilities,
            score=photo.score,
            percentile=1.0 - position / last,
            label=photo.label,
            taken_at=None if photo.taken_at is None else datetime.fromtimestamp(photo.taken_at, UTC),
            said=told.get(photo.content_key, ()),
            given=_given_to(photo, given),
            burst=places.get(photo.content_key),
            companions=tuple(PhotoFile(Path(path), key) for path, key in photo.companions if path not in deadly),
        )
        for position, photo in enumerate(ranked)
    ]


def _given_to(photo: RankedPhoto, given: Mapping[str, frozenset[Shown]]) -> tuple[Shown, ...]:
    keys = (photo.content_key, *(key for _, key in photo.companions))
    shown = {one for key in keys for one in given.get(key, ())}
    return tuple(sorted(shown, key=lambda one: (one.channel, one.value)))


def _write_library(
    session: Session,
    library: LibraryConfig,
    name: str,
    manager: PhotoManager,
    request: MarkRequest,
    run_id: int | None,
    tally: _Tally,
    working: Working,
    without: Collection[str],
) -> None:
    catalog = session.catalog
    step = f"write {name}"
    before_ours = cache(partial(journal.before_ours, catalog, name))
    request = replace(
        request,
        last_written=partial(journal.last_written, catalog, name),
        before_us=lambda key, field_: before_ours(field_).get(key),
    )
    changes = _changes(session, library.name, name, manager.plan(request), tally, without)
    if run_id is None:
        for change in changes:
            tally.planned.append(PlannedMark(library.name, name, str(change.path), change.field, change.summary))
        return
    refusals: list[tuple[str, str]] = []
    writer = Writer(session, library.name, name, manager, run_id, working)
    for done, (change, reason) in enumerate(writer.apply(changes), start=1):
        if reason is None:
            tally.written += 1
        else:
            tally.refused += 1
            tally.leave(library.name, name, change.path, change.field, reason)
            refusals.append((str(change.path), reason))
        session.reporter.progress(Progress(step, done, None, library.name))
    with catalog.db.atomic():
        problems.replace_step(catalog, step, library.name, refusals)


def _changes(
    session: Session,
    library: str,
    name: str,
    plan: Iterator[Change | Skipped],
    tally: _Tally,
    without: Collection[str],
) -> Iterator[Change]:
    """What a photo manager wants to change; what it leaves alone is noted. Ends early when cancelled."""
    for item in plan:
        if session.reporter.cancelled():
            return
        if not isinstance(item, Skipped) and str(item.path) in without:
            item = Skipped(item.path, "writing it killed the worker process; it is tried again in the next run")
        if isinstance(item, Skipped):
            tally.skipped += 1
            tally.postponed += item.later
            tally.leave(library, name, item.path, "", item.reason)
        else:
            yield item

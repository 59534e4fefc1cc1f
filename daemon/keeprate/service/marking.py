"""The write step, in the worker: plan marks, journal each, apply it, close the journal."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from keeprate.catalog import files, heads, journal, labels, models, problems, runs, scores
from keeprate.catalog.files import SeenFile, Signature
from keeprate.catalog.scores import RankedPhoto
from keeprate.config.models import LibraryConfig
from keeprate.errors import DiskFullError
from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    MarkRequest,
    PhotoManager,
    ScoredPhoto,
    Skipped,
)
from keeprate.safe_files import sweep_temporaries
from keeprate.service.managers import managers_for
from keeprate.service.session import Progress, Session
from keeprate.service.tasks import PlannedMark, WriteOutcome, WriteTask
from keeprate.service.worker import Working

LEFT_ALONE_SHOWN = 500
"""So many refusals travel back with their reasons; the rest are counted."""
KEPT_RUNS = 5
"""So many write runs can be taken back one by one; older ones only together."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@dataclass
class _Tally:
    """What a write run has done so far."""

    written: int = 0
    refused: int = 0
    skipped: int = 0
    planned: list[PlannedMark] = field(default_factory=list)
    left_alone: list[PlannedMark] = field(default_factory=list)

    def leave(self, library: str, manager: str, path: Path, field_: str, reason: str) -> None:
        if len(self.left_alone) < LEFT_ALONE_SHOWN:
            self.left_alone.append(PlannedMark(library, manager, str(path), field_, reason))


def write(session: Session, task: WriteTask, working: Working) -> WriteOutcome:
    """Bring the marks of every library that is online up to date with its scores.

    Raises:
        DiskFullError: there is no room for a mark; what stood before is intact.
        ConfigError: a `[library.marks.…]` table makes no sense.
    """
    tally = _Tally()
    run_id = None
    if not task.dry_run:
        settle_planned(session)
        run_id = runs.begin(session.catalog, "write")
    for library in session.libraries(task.library):
        request = mark_request(session, library)
        if request is None:
            continue
        for name, manager in managers_for(library).items():
            _write_library(session, library, name, manager, request, run_id, tally, working)
    if run_id is not None:
        if tally.written:
            runs.finish(
                session.catalog, run_id, f"{tally.written} marks written, {tally.refused} refused",
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
        planned=tuple(tally.planned),
        left_alone=tuple(tally.left_alone),
        cancelled=session.reporter.cancelled(),
    )


def mark_request(session: Session, library: LibraryConfig) -> MarkRequest | None:
    """The scored photos of a library for its photo managers; None if it is offline or has no head in use."""
    catalog = session.catalog
    name = library.head_to_mark
    version = heads.in_use(catalog, name)
    if version is None or not library.root.is_dir():
        return None
    said = {key: label.bucket for key, label in labels.current(catalog, name).items() if label.bucket is not None}
    ranked = scores.ranked(catalog, name, said, library.name)
    model = next((model.name for model in models.all_models(catalog) if model.id == version.model_id), "a former model")
    return MarkRequest(
        library=LibraryPlace(library.name, library.root),
        head=name,
        model=f"{name}#{version.version} on {model}",
        scored_at=datetime.fromtimestamp(version.trained_at, UTC),
        photos=_scored(ranked, version.buckets),
        last_written=_nothing_written,
    )


def _nothing_written(_path: Path, _field: str) -> bytes | None:
    """Stands in until the request is made out to one photo manager."""
    return None


def _scored(ranked: Sequence[RankedPhoto], buckets: tuple[str, ...]) -> list[ScoredPhoto]:
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
        )
        for position, photo in enumerate(ranked)
    ]


def _write_library(
    session: Session,
    library: LibraryConfig,
    name: str,
    manager: PhotoManager,
    request: MarkRequest,
    run_id: int | None,
    tally: _Tally,
    working: Working,
) -> None:
    catalog = session.catalog
    step = f"write {name}"
    refusals: list[tuple[str, str]] = []
    request = replace(request, last_written=lambda path, field_: journal.last_written(catalog, name, path, field_))
    done = 0
    for change in manager.plan(request):
        if session.reporter.cancelled():
            return
        if isinstance(change, Skipped):
            tally.skipped += 1
            tally.leave(library.name, name, change.path, "", change.reason)
            continue
        if run_id is None:
            tally.planned.append(PlannedMark(library.name, name, str(change.path), change.field, change.summary))
            continue
        working([str(change.path)])
        reason = _apply(session, library.name, name, manager, change, run_id)
        if reason is None:
            tally.written += 1
        else:
            tally.refused += 1
            tally.leave(library.name, name, change.path, change.field, reason)
            refusals.append((str(change.path), reason))
        done += 1
        session.reporter.progress(Progress(step, done, None, library.name))
    if run_id is not None:
        with catalog.db.atomic():
            problems.replace_step(catalog, step, library.name, refusals)


def _apply(session: Session, library: str, name: str, manager: PhotoManager, change: Change, run_id: int) -> str | None:
    """Make one change under the journal; returns why it was not made, if it was not.

    Raises:
        DiskFullError: no room left.
    """
    catalog = session.catalog
    entry = journal.plan(
        catalog, run_id=run_id, library=library, manager=name, path=change.path, field=change.field,
        content_key=change.content_key, before=change.before, after=change.after,
    )  # fmt: skip
    # A photo that the user edited since the last scan must be read again: then its change is not ours alone.
    as_scanned = change.touches_photo and files.known_at(catalog, str(change.path)) == _signature(change.path)
    try:
        manager.apply(change)
    except MarkRefusedError as refused:
        journal.settle(catalog, entry, "dropped")
        return str(refused)
    except OSError as error:
        journal.settle(catalog, entry, "dropped")
        if error.errno in _NO_ROOM:
            raise DiskFullError(
                "The disk is full: a mark could not be written. The photo is as it was.",
                path=change.path,
                advice="Make room; keeprate goes on where it stopped.",
            ) from error
        return f"cannot be written: {error.strerror or error}"
    journal.settle(catalog, entry, "done")
    if as_scanned:
        _record_touched(session, library, change.path)
    return None


def _signature(path: Path) -> Signature | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return files.signed_signature((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))


def _record_touched(session: Session, library: str, path: Path) -> None:
    """We changed a photo file ourselves and its picture is the same: a scan need not read it again."""
    key, signature = files.content_keys_at(session.catalog, [str(path)]).get(str(path)), _signature(path)
    if key is not None and signature is not None:
        with session.catalog.db.atomic():
            files.store(session.catalog, [SeenFile(str(path), library, signature, key, os.path.dirname(path))])


def journal_entry(session: Session, entry: journal.Entry) -> JournalEntry:
    """A journal row as photo managers see it, with where the photo's files lie now."""
    lying = files.of_photo(session.catalog, entry.content_key) if entry.content_key else []
    return JournalEntry(
        Path(entry.path), entry.field, entry.before, entry.after, tuple(Path(file.path) for file in lying)
    )


def settle_planned(session: Session) -> None:
    """Close what a killed run left open, by looking at what stands, and remove its temporary files."""
    for entry in journal.planned(session.catalog):
        sweep_temporaries(Path(entry.path).parent, minimum_age_s=0)  # we hold the lock: no writer of ours is alive
        library = session.config.library_named(entry.library)
        manager = managers_for(library).get(entry.manager) if library is not None else None
        if manager is None:
            continue  # its photo manager is not set up any more: undo can still tell what stands
        stands = manager.standing(journal_entry(session, entry))
        if stands == entry.after:
            state = "done"
        elif stands == entry.before:
            state = "dropped"
        else:
            state = "foreign"
        journal.settle(session.catalog, entry.id, state)

"""The marks step, in the worker: what the user says about files in viewers, read by photo managers into the catalog.

`reading_marks_run` has the parent's side, which knows what needs to be read; `taking_marks` makes labels of it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keeprate.catalog import Catalog, files, journal, problems, user_marks
from keeprate.catalog.user_marks import FileReading
from keeprate.plugin_api import LastWritten, MarkRefusedError, PhotoFile, PhotoManager, UserMarks
from keeprate.steps.marks.managers import readers_for
from keeprate.steps.marks.recalling_given import recall_given
from keeprate.steps.session import Session
from keeprate.steps.tasks import ReadMarksOutcome, ReadMarksTask
from keeprate.steps.worker import Working

STEP = "marks"
"""What problems of this step are called."""
STORED_TOGETHER = 64
"""Files in one transaction: a kill loses no more than reading these."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What the photo managers read about one file, and why one of them could not."""

    marks: Mapping[str, UserMarks]
    problem: str | None


def read(session: Session, task: ReadMarksTask, working: Working) -> ReadMarksOutcome:
    """Read the files of the task and store what they say; one that cannot be told is noted as a problem."""
    library = session.config.library_named(task.library)
    assert library is not None  # noqa: S101 (parent and worker read the same config)
    catalog = session.catalog
    recall_given(session)
    readers = readers_for(library)
    done = failed = 0
    for start in range(0, len(task.paths), STORED_TOGETHER):
        several = slice(start, start + STORED_TOGETHER)
        keys = files.content_keys_at(catalog, task.paths[several], present=True)
        told: list[tuple[FileReading, str | None]] = []
        for path, signature, placed_at in zip(
            task.paths[several], task.signatures[several], task.placed_at[several], strict=True
        ):
            if session.reporter.cancelled():
                break
            if path not in keys or not os.path.lexists(path):
                continue  # gone meanwhile: the next scan tells
            working([path])
            one = _ask(readers, PhotoFile(Path(path), keys[path]), catalog)
            told.append(
                (
                    FileReading(path, library.name, keys[path], os.path.dirname(path), signature, placed_at, one.marks),
                    one.problem,
                )
            )
        with catalog.db.atomic():
            for reading, problem in told:
                user_marks.store(catalog, reading)
                problems.clear(catalog, STEP, reading.path)
                if problem is not None:
                    problems.record(
                        catalog, STEP, reading.path, problem, library=library.name, content_key=reading.content_key
                    )
                    failed += 1
        done += len(told)
    return ReadMarksOutcome(done, failed, session.reporter.cancelled())


def _ask(readers: Mapping[str, PhotoManager], photo: PhotoFile, catalog: Catalog) -> _Told:
    marks: dict[str, UserMarks] = {}
    problem = None
    for name, manager in readers.items():
        try:
            marks[name] = manager.read_marks(photo, _last_written(catalog, name))
        except MarkRefusedError as refused:
            problem = f"what you say about it cannot be read: {refused}"
        except OSError as error:
            problem = f"what you say about it cannot be read: {error.strerror or error}"
        except Exception as error:  # one file must not keep the others from being read
            traceback.print_exc()
            problem = f"the photo manager {name!r} failed on it: {type(error).__name__}: {error}"
    return _Told(marks, problem)


def _last_written(catalog: Catalog, name: str) -> LastWritten:
    return lambda path, field: journal.last_written(catalog, name, path, field)

"""Figures for Prometheus, as its text format: written out by hand, since the usual library is made for counting.

Names stay; docs/reference/api.md lists them. Everything is counted when it is asked for: nothing is measured otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from keeprate import __version__
from keeprate.api.context import Api
from keeprate.service.control import Live
from keeprate.service.status import Status
from keeprate.service.status import status as state_of

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; all are gauges: each may fall again, when photos go or the catalog is replaced."""

    name: str
    help: str
    samples: tuple[Sample, ...]


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(api: Api) -> PlainTextResponse:
    """Figures for Prometheus."""
    live = api.live()
    with api.session() as session:
        now = state_of(session, None, live)
    return PlainTextResponse(written(figures(now, live, api.home.catalog_file)), media_type=MEDIA_TYPE)


def figures(now: Status, live: Live, catalog: str | os.PathLike[str]) -> list[Figure]:
    """What is told of the state of everything."""
    return [
        _one("info", "Which keeprate runs.", 1, version=__version__, model=now.model.name),
        _one("started_at_seconds", "When the daemon began.", live.started_at),
        _one("paused", "1 while all work rests.", live.state == "paused"),
        _one("attention", "Things that wait for the user.", len(live.attention)),
        *_of_libraries(now),
        *_of_heads(now),
        _one("to_embed", "Photos that wait for their vector.", now.work.to_embed),
        _one("to_score", "Scores that are missing or old.", now.work.to_score),
        _one("held", "Photos whose marks are held back until the user was asked.", now.held),
        _one("problems", "Files at which something could not be done.", now.problems.count),
        _one("marks_standing", "Marks of keeprate's that stand now.", now.marks.standing),
        *_of_jobs(live),
        _one("memory_bytes", "Resident memory of the daemon.", _resident()),
        _one("worker_memory_bytes", "Resident memory of the worker; 0: there is none.", _worker(live)),
        _one("catalog_bytes", "Size of the catalog with its log.", _bytes_of(catalog)),
    ]


def _of_libraries(now: Status) -> Iterator[Figure]:
    each = now.libraries
    yield _of_each(
        "library_online", "1 while the library is there.", ((one.online, {"library": one.name}) for one in each)
    )
    yield _of_each("files", "Files of pictures.", ((one.files, {"library": one.name}) for one in each))
    yield _of_each(
        "photos", "Photos; files of one shot count once.", ((one.photos, {"library": one.name}) for one in each)
    )
    yield _of_each("reviewed", "Photos with a label.", ((one.reviewed, {"library": one.name}) for one in each))


def _of_heads(now: Status) -> Iterator[Figure]:
    yield _of_each(
        "labels",
        "Shots with a label.",
        ((count, {"head": one.name, "bucket": bucket}) for one in now.heads for bucket, count in one.labels.items()),
    )
    yield _of_each(
        "head_version", "The version in use; 0: none.", ((one.version or 0, {"head": one.name}) for one in now.heads)
    )
    yield _of_each(
        "head_roc_auc",
        "How well the version in use orders what it has not learned from.",
        (
            (auc, {"head": one.name})
            for one in now.heads
            if isinstance(auc := (one.metrics or {}).get("roc_auc"), float)
        ),
    )


def _of_jobs(live: Live) -> Iterator[Figure]:
    each = live.jobs
    yield _of_each(
        "job_last_run_timestamp_seconds",
        "When the job last had something to do and was through with it.",
        ((one.last_finished_at, {"job": one.name}) for one in each if one.last_finished_at is not None),
    )
    yield _of_each("job_failed", "1 if its last run failed.", ((one.last_failed, {"job": one.name}) for one in each))
    yield _of_each(
        "job_waiting", "1 while it has to wait.", ((one.state == "waiting", {"job": one.name}) for one in each)
    )


def _one(name: str, text: str, value: float, **labels: str) -> Figure:
    return Figure(f"keeprate_{name}", text, (Sample(value, labels),))


def _of_each(name: str, text: str, samples: Iterable[tuple[float, dict[str, str]]]) -> Figure:
    return Figure(f"keeprate_{name}", text, tuple(Sample(value, labels) for value, labels in samples))


def written(given: Iterable[Figure]) -> str:
    """The figures in Prometheus' text format."""
    lines: list[str] = []
    for figure in given:
        lines += [f"# HELP {figure.name} {_escaped(figure.help)}", f"# TYPE {figure.name} gauge"]
        for sample in figure.samples:
            labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in sample.labels.items())
            lines.append(f"{figure.name}{f'{{{labels}}}' if labels else ''} {float(sample.value)!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    valid = os.fsencode(text).decode("utf-8", "replace") if not text.isascii() else text
    return _escaped(valid).replace('"', '\\"')


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _worker(live: Live) -> int:
    return 0 if live.worker is None else live.worker.memory


def _bytes_of(catalog: str | os.PathLike[str]) -> int:
    total = 0
    for name in (os.fspath(catalog), f"{os.fspath(catalog)}-wal"):
        try:
            total += os.stat(name).st_size
        except OSError:
            continue
    return total

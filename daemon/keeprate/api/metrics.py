"""Figures for Prometheus, as its text format: written out by hand, since the usual library is made for counting.

Names stay; docs/reference/api.md lists them. Everything is counted when it is asked for: nothing is measured otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from keeprate import __version__
from keeprate.api.context import Api, in_turn
from keeprate.service.control import Live
from keeprate.service.status import Status
from keeprate.service.status import status as state_of

PREFIX = "keeprate_"
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
@in_turn
def metrics(api: Api) -> PlainTextResponse:
    """Figures for Prometheus."""
    live = api.live()
    with api.session() as session:
        now = state_of(session, None, live)
    return PlainTextResponse(written(figures(now, live, api.home.catalog_file)), media_type=MEDIA_TYPE)


_Given = Iterable[tuple[float, tuple[str, ...]]]
"""Values, each with those of its labels."""


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    help: str
    labels: tuple[str, ...]
    of: Callable[[Status, Live], _Given]


def _one(name: str, text: str, of: Callable[[Status, Live], float]) -> _Kind:
    return _Kind(name, text, (), lambda now, live: [(of(now, live), ())])


_KINDS = (
    _Kind("info", "Which keeprate runs.", ("version", "model"), lambda now, _: [(1, (__version__, now.model.name))]),
    _one("started_at_seconds", "When the daemon began.", lambda _, live: live.started_at),
    _one("paused", "1 while all work rests.", lambda _, live: live.state == "paused"),
    _one("attention", "Things that wait for the user.", lambda _, live: len(live.attention)),
    _Kind(
        "library_online", "1 while the library is there.", ("library",),
        lambda now, _: ((one.online, (one.name,)) for one in now.libraries),
    ),
    _Kind(
        "files", "Files of pictures.", ("library",),
        lambda now, _: ((one.files, (one.name,)) for one in now.libraries),
    ),
    _Kind(
        "photos", "Photos; files of one shot count once.", ("library",),
        lambda now, _: ((one.photos, (one.name,)) for one in now.libraries),
    ),
    _Kind(
        "reviewed", "Photos with a label.", ("library",),
        lambda now, _: ((one.reviewed, (one.name,)) for one in now.libraries),
    ),
    _Kind(
        "labels", "Shots with a label.", ("head", "bucket"),
        lambda now, _: ((count, (one.name, bucket)) for one in now.heads for bucket, count in one.labels.items()),
    ),
    _Kind(
        "head_version", "The version in use; 0: none.", ("head",),
        lambda now, _: ((one.version or 0, (one.name,)) for one in now.heads),
    ),
    _Kind(
        "head_roc_auc", "How well the version in use orders photos that it has not learned from.", ("head",),
        lambda now, _: (
            (auc, (one.name,)) for one in now.heads if isinstance(auc := (one.metrics or {}).get("roc_auc"), float)
        ),
    ),
    _one("to_embed", "Photos that wait for their vector.", lambda now, _: now.work.to_embed),
    _one("to_score", "Scores that are missing or old.", lambda now, _: now.work.to_score),
    _one("held", "Photos whose marks are held back until the user was asked.", lambda now, _: now.held),
    _one("problems", "Files at which something could not be done.", lambda now, _: now.problems.count),
    _one("marks_standing", "Marks of keeprate's that stand now.", lambda now, _: now.marks.standing),
    _Kind(
        "job_last_run_timestamp_seconds", "When the job last had something to do and was through with it.", ("job",),
        lambda _, live: ((at, (one.name,)) for one in live.jobs if (at := one.last_finished_at) is not None),
    ),
    _Kind(
        "job_failed", "1 if its last run failed.", ("job",),
        lambda _, live: ((one.last_failed, (one.name,)) for one in live.jobs),
    ),
    _Kind(
        "job_waiting", "1 while it has to wait.", ("job",),
        lambda _, live: ((one.state == "waiting", (one.name,)) for one in live.jobs),
    ),
    _one("memory_bytes", "Resident memory of the daemon.", lambda _, __: _resident()),
    _one(
        "worker_memory_bytes", "Resident memory of the worker; 0: there is none.",
        lambda _, live: 0 if live.worker is None else live.worker.memory,
    ),
)  # fmt: skip
_CATALOG = _one("catalog_bytes", "Size of the catalog with its log.", lambda _, __: 0)


def described_figures() -> list[tuple[str, tuple[str, ...], str]]:
    """Name, labels and meaning of all."""
    return [(kind.name, kind.labels, kind.help) for kind in (*_KINDS, _CATALOG)]


def figures(now: Status, live: Live, catalog: str | os.PathLike[str]) -> list[Figure]:
    """What is told of the state of everything."""
    found = [
        Figure(
            f"{PREFIX}{kind.name}",
            kind.help,
            tuple(Sample(value, dict(zip(kind.labels, labels, strict=True))) for value, labels in kind.of(now, live)),
        )
        for kind in _KINDS
    ]
    size = Sample(_bytes_of(catalog))
    return [*found, Figure(f"{PREFIX}{_CATALOG.name}", _CATALOG.help, (size,))]


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


def _bytes_of(catalog: str | os.PathLike[str]) -> int:
    total = 0
    for name in (os.fspath(catalog), f"{os.fspath(catalog)}-wal"):
        try:
            total += os.stat(name).st_size
        except OSError:
            continue
    return total

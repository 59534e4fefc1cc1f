"""The group step, in the worker: find photos that are nearly the same, as far as that is not known yet.

New photos are compared with all, and groups that they belong to are made anew; nothing else is touched. A vector by
another model is new.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import bursts, embeddings, looks, models
from keeprate.catalog.bursts import ComparablePhoto
from keeprate.catalog.connection import Catalog
from keeprate.learning.bursts import Frames, Indices, find_links, gather
from keeprate.learning.capture_times import believable, time_lapses
from keeprate.pictures.technical import TECHNICAL_VERSION
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import GroupOutcome, GroupTask

SAMPLE = 2000
"""Vectors that the mean is taken of."""
ENOUGH_FOR_A_MEAN = 50
"""With fewer photos the mean lies among those that are alike, and directions from it say nothing."""


def group(session: Session, task: GroupTask) -> GroupOutcome:
    """Bring the groups of a library (or of all) up to date."""
    started = time.monotonic()
    compared = groups = 0
    for library in session.libraries(task.library):
        if session.reporter.cancelled():
            break
        compared += _group_library(session, library.name)
        groups += bursts.count(session.catalog, library.name)
    return GroupOutcome(compared, groups, time.monotonic() - started)


def _group_library(session: Session, library: str) -> int:
    """How many photos were compared that had not been."""
    catalog = session.catalog
    model = models.active(catalog)
    photos = bursts.comparable(catalog, library, model.id, TECHNICAL_VERSION)
    fresh = np.array([not photo.compared for photo in photos], bool)
    if not fresh.any():
        return 0
    session.reporter.progress(Progress("group", 0, int(fresh.sum()), library))
    frames = _frames(photos)
    look = _Looks(catalog, model.id, [photo.content_key for photo in photos])
    links = find_links(frames, fresh, look.thumbnails, look.directions)
    rows = np.arange(len(photos))
    if not fresh.all():
        # sixty frames make a time lapse: the first ones looked like bursts
        undone = frames.time_lapse & np.array([photo.burst is not None for photo in photos])
        rows = _touched(photos, fresh | undone, np.unique(links.pairs))
        look = _Looks(catalog, model.id, [photos[row].content_key for row in rows], mean=look.mean)
        links = find_links(frames.at(rows), np.ones(len(rows), bool), look.thumbnails, look.directions)
    found = gather(frames.at(rows), links)
    keys = [photos[row].content_key for row in rows]
    with catalog.db.atomic():
        bursts.store(
            catalog, library, model.id, keys, [(one.kind, [keys[member] for member in one.members]) for one in found]
        )
    session.reporter.progress(Progress("group", int(fresh.sum()), int(fresh.sum()), library))
    return int(fresh.sum())


def _touched(photos: Sequence[ComparablePhoto], fresh: NDArray[np.bool_], linked: Indices) -> Indices:
    """Rows of the new photos, of those they are linked to, and of the groups of these."""
    chosen = fresh.copy()
    chosen[linked] = True
    groups = {photos[row].burst for row in np.flatnonzero(chosen).tolist()} - {None}
    chosen |= np.array([photo.burst in groups for photo in photos], bool)
    return np.flatnonzero(chosen)


def _frames(photos: Sequence[ComparablePhoto]) -> Frames:
    def numbers(name: str) -> NDArray[np.float64]:
        return np.array([getattr(photo, name) for photo in photos], np.float64)  # None becomes NaN

    known = {camera: number for number, camera in enumerate(dict.fromkeys(p.camera for p in photos if p.camera))}
    cameras = np.array([known.get(photo.camera or "", -1) for photo in photos], np.intp)
    taken_at = believable(numbers("taken_at"), cameras)
    seconds, f_number, iso = numbers("seconds"), numbers("f_number"), numbers("iso")
    return Frames(
        hashes=np.array([photo.perceptual_hash for photo in photos], np.int64),
        taken_at=taken_at,
        cameras=cameras,
        seconds=seconds,
        light=np.log2(f_number**2 / seconds) - np.log2(iso / 100),
        bias=numbers("bias"),
        bracketed=np.array([photo.bracketed for photo in photos], bool),
        focal_lengths=numbers("focal_length"),
        distances=numbers("subject_distance"),
        time_lapse=time_lapses(taken_at, cameras),
    )


class _Looks:
    """Thumbnails and vectors of photos, read when they are asked for."""

    def __init__(
        self, catalog: Catalog, model_id: int, keys: Sequence[str], mean: NDArray[np.float32] | None = None
    ) -> None:
        self._catalog, self._model_id, self._keys = catalog, model_id, keys
        self.mean = mean
        if mean is None and len(keys) >= ENOUGH_FOR_A_MEAN:
            some = embeddings.vectors_of(catalog, model_id, keys[:: -(-len(keys) // SAMPLE)])
            self.mean = np.stack(list(some.values())).mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)

    def thumbnails(self, rows: Indices) -> NDArray[np.uint8]:
        return looks.thumbnails_of(self._catalog, [self._keys[row] for row in rows])

    def directions(self, rows: Indices) -> NDArray[np.float32]:
        if self.mean is None:
            return np.full((len(rows), 1), np.nan, np.float32)
        keys = [self._keys[row] for row in rows]
        vectors = embeddings.vectors_of(self._catalog, self._model_id, keys)
        centred = np.stack([vectors[key] for key in keys]) - self.mean if keys else np.empty((0, 1), np.float32)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        directions: NDArray[np.float32] = centred / np.maximum(lengths, 1e-6)
        return directions

"""Why a photo has its score: the score, the signals, and the nearest photos that the user decided on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keeprate.catalog import companions, embeddings, files, heads, models, scores, user_marks
from keeprate.catalog.labels import Label
from keeprate.errors import KeeprateError
from keeprate.paths import expanded
from keeprate.pictures.content_key import content_key
from keeprate.pictures.signals import SIGNAL_NAMES, SIGNALS_VERSION
from keeprate.steps.labels.shots import Said, said_of_shots
from keeprate.steps.marks.deciding_marks import described
from keeprate.steps.session import Session

NEAREST = 3


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled photo that looks alike; `similarity` is the cosine of the embeddings, −1 to 1."""

    path: str
    bucket: str
    similarity: float


@dataclass(frozen=True, slots=True)
class MarkFound:
    """What the user says about the photo in a viewer."""

    path: str
    said: tuple[str, ...]
    """In words."""


@dataclass(frozen=True, slots=True)
class Explanation:
    path: str
    content_key: str
    head: str
    model: str
    score: float | None
    probabilities: dict[str, float]
    version: int | None
    """Of the head that gave the score; 0: a first guess, nothing has been learned yet."""
    rank: int | None
    """1: the best of all scored photos."""
    of: int
    label: str | None
    said_of: str | None
    """The file of the same shot that the label was given to; None: the photo itself, or there is no label."""
    companions: tuple[str, ...]
    """Other files of the same shot, sorted."""
    marks: tuple[MarkFound, ...]
    signals: dict[str, float]
    nearest: tuple[Neighbour, ...]


def explain(session: Session, path: Path, head: str | None = None) -> Explanation:
    """What is known about the photo at `path`.

    Raises:
        UsageError: there is no such head.
        KeeprateError: the file is not in the catalog, or cannot be read.
    """
    name = _head(session, head)
    return explain_photo(session, _key(session, path), str(path), name, nearest=NEAREST)


def _head(session: Session, head: str | None) -> str:
    name = head or next(iter(session.heads()), None)
    if name is None:
        session.libraries()  # says that there is none
        raise AssertionError
    session.heads(name)
    return name


def explain_photo(session: Session, key: str, path: str, head: str | None, *, nearest: int) -> Explanation:
    """What is known about the photo `key`, called `path`, with so many of the most similar photos of each bucket.

    Raises:
        UsageError: there is no such head.
    """
    catalog = session.catalog
    name = _head(session, head)
    buckets = session.heads(name)[name]
    model = models.active(catalog)
    version = heads.in_use(catalog, name)
    buckets = version.buckets if version else scores.guessed_for(catalog, name) or buckets
    libraries = session.libraries_of(name)
    shown = _shown(session, key, name)
    scored = scores.of_photo(catalog, shown, name)
    said = said_of_shots(session, name)
    label = said.of_photo(key)
    order = [key for key, library in scores.order(catalog, name) if library in libraries] if scored else []
    signals = embeddings.signals_of(catalog, SIGNALS_VERSION, [key]).get(key)
    return Explanation(
        path=path,
        content_key=key,
        head=name,
        model=model.name,
        score=scored[0] if scored else None,
        probabilities=dict(zip(buckets, scored[1], strict=True)) if scored else {},
        version=scored[2] if scored else None,
        rank=order.index(shown) + 1 if shown in order else None,
        of=len(order),
        label=label.bucket if label else None,
        said_of=_somewhere(session, label) if label and label.content_key != key else None,
        companions=_companions(session, key, said),
        marks=tuple(
            MarkFound(where, tuple(described(shown) for shown in marks.shown()))
            for where, marks in user_marks.of_photo(catalog, key)
        ),
        signals={} if signals is None else dict(zip(SIGNAL_NAMES, map(float, signals), strict=True)),
        nearest=LabelledPhotos(session, model.id, said).nearest(key, nearest) if nearest else (),
    )


def _key(session: Session, path: Path) -> str:
    path = expanded(path).absolute()
    known = files.content_keys_at(session.catalog, [str(path)]).get(str(path))
    if known is not None:
        return known
    try:
        key = content_key(path)
    except OSError as error:
        raise KeeprateError(f"The photo cannot be read: {error.strerror}.", path=path) from error
    if not session.catalog.conn.execute("SELECT 1 FROM photos WHERE content_key = ?", (key,)).fetchone():
        raise KeeprateError(
            "This photo is in no library.",
            path=path,
            advice="Run `keeprate sync` if it lies in one and is new.",
        )
    return key


def _shown(session: Session, key: str, head: str) -> str:
    """The photo whose score its shot has: the one that `list` shows where all of them lie in one library."""
    photos = companions.load(session.catalog).photos(key)
    if len(photos) == 1:
        return key
    lying, scored = companions.lying(session.catalog), scores.of_photos(session.catalog, head)
    shown = sorted((one for one in photos if one in scored and one in lying), key=lambda one: -scored[one])
    return photos[0] if photos[0] in shown else next(iter(shown), key)


def _companions(session: Session, key: str, said: Said) -> tuple[str, ...]:
    others = (one for one in said.companions.photos(key) if one != key)
    return tuple(sorted(file.path for one in others for file in files.of_photo(session.catalog, one)))


class LabelledPhotos:
    """The vectors of the shots that a person decided on, read once and asked for the nearest often."""

    def __init__(self, session: Session, model_id: int | None, said: Said) -> None:
        self._session, self._model_id, self._companions = session, model_id, said.companions
        photos = list(said.of_photos())
        self._said = {} if model_id is None else said.once(embeddings.with_vector(session.catalog, model_id, photos))
        vectors = {} if model_id is None else embeddings.vectors_of(session.catalog, model_id, list(self._said))
        self._keys = list(vectors)
        self._directions = np.stack([_direction(vectors[key]) for key in vectors]) if vectors else None

    def nearest(self, content_key: str, count: int = NEAREST) -> tuple[Neighbour, ...]:
        """The `count` most similar labelled photos of each bucket, most similar first, its own shot left out."""
        if self._directions is None or self._model_id is None:
            return ()
        mine = embeddings.vectors_of(self._session.catalog, self._model_id, [content_key]).get(content_key)
        if mine is None:
            return ()
        similarity = self._directions @ _direction(mine)
        own = self._companions.photos(content_key)
        found: list[Neighbour] = []
        taken: Counter[str] = Counter()
        for index in np.argsort(-similarity):
            label = self._said[self._keys[index]]
            assert label.bucket is not None  # noqa: S101 (withdrawn labels are not current)
            if label.content_key not in own and taken[label.bucket] < count:
                taken[label.bucket] += 1
                found.append(Neighbour(_somewhere(self._session, label), label.bucket, float(similarity[index])))
        return tuple(found)


def _direction(vector: embeddings.Float32Array) -> embeddings.Float32Array:
    direction: embeddings.Float32Array = vector / np.maximum(np.linalg.norm(vector), np.float32(1e-12))
    return direction


def _somewhere(session: Session, label: Label) -> str:
    """Where the photo lies now, or where it lay when it was labelled."""
    lying = files.of_photo(session.catalog, label.content_key)
    return lying[0].path if lying else f"{label.path or label.content_key} (deleted since)"

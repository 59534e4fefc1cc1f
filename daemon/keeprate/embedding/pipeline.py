"""From files to vectors, as fast as the machine allows and no matter what the files hold.

One worker per core, each with a batch of its own: decode one picture after the other, measure it, embed the
batch. Where one forward thread is faster (GPU), the workers only decode and hand over. Every callback, and
the iterable of work itself, runs in the calling thread, so that they need no locks and may use one SQLite
connection.

Nothing is stored here, and no file is written.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from keeprate.embedding.embedder import Embedder, Pixels
from keeprate.errors import ModelError
from keeprate.pictures.decoding import PictureError, PictureFacts, open_picture
from keeprate.pictures.signals import Signals, measure
from keeprate.pictures.similarity import perceptual_hash
from keeprate.pictures.technical import Technical, measure_technical, thumbnail

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One photo to embed, and a file that holds it."""

    content_key: str
    path: Path


@dataclass(frozen=True, slots=True)
class PictureResult:
    """Everything that was found out about one photo by looking at its pixels once."""

    content_key: str
    path: Path
    vector: NDArray[np.float32]
    """(dimension,), all finite."""
    signals: Signals
    perceptual_hash: int
    """64 bits as a signed integer, see `pictures.similarity`."""
    facts: PictureFacts
    technical: Technical
    thumbnail: NDArray[np.uint8]
    """(32, 32) grey levels."""


@dataclass(frozen=True, slots=True)
class PictureFailure:
    """A file that could not be embedded; the run goes on without it."""

    content_key: str
    path: Path
    reason: str
    """One sentence for a person."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of one batch of work; each item is in exactly one of the two."""

    results: tuple[PictureResult, ...]
    failures: tuple[PictureFailure, ...]


@dataclass(frozen=True, slots=True)
class PipelineSummary:
    """What one run did."""

    embedded: int = 0
    failed: int = 0
    repeated: int = 0
    """Items left out because an earlier one of the run had the same content key."""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """What the decoding step found out about one picture."""

    item: WorkItem
    pixels: Pixels
    signals: Signals
    perceptual_hash: int
    facts: PictureFacts
    technical: Technical
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A batch between decoding and embedding."""

    looks: tuple[_Look, ...]
    failures: tuple[PictureFailure, ...]


def embed_pictures(
    items: Iterable[WorkItem],
    embedder: Embedder,
    *,
    batch_size: int = 8,
    threads: int,
    max_pixels: int,
    on_batch: Callable[[Batch], None],
    on_start: Callable[[Sequence[WorkItem]], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> PipelineSummary:
    """Embed every item once and hand over the results batch by batch, in the order in which they are ready.

    All callbacks run in the calling thread, and `items` is pulled there, never more than `threads` + 1
    batches ahead of `on_batch`. If a callback or the embedder raises, or on Ctrl-C, the workers stop after
    the picture in hand, and the exception goes on to the caller.

    Args:
        items: the work; may be endless or lazy.
        embedder: turns pixels into vectors.
        batch_size: pictures a batch. 8 is best on CPUs (cache), 32–64 on GPUs.
        threads: workers; as many as cores.
        max_pixels: larger pictures are failures, see `pictures.decoding.open_picture`.
        on_batch: takes results and failures.
        on_start: is told of a batch before any file of it is touched: what it was told and was not yet given
            to `on_batch` is what a crash of the process can be blamed on.
        cancelled: asked before each batch; after True no further batch is begun, those in hand are finished.

    Raises:
        ModelError: the embedder gives vectors of an unexpected shape.
    """
    run = _Run(embedder, max_pixels=max_pixels)
    todo = _Batches(items, batch_size)
    summary = PipelineSummary()
    pending: set[Future[_Decoded | Batch]] = set()
    with ExitStack() as cleanup:
        if embedder.concurrent:
            # numpy's BLAS would else start as many threads as cores in every worker, and they wait by spinning
            cleanup.enter_context(threadpool_limits(1, "blas"))
        workers = cleanup.enter_context(ThreadPoolExecutor(threads, "embed"))
        forward = workers if embedder.concurrent else cleanup.enter_context(ThreadPoolExecutor(1, "forward"))
        # on the way out, before the pools are waited for: begin nothing more, finish no more than one picture
        cleanup.callback(forward.shutdown, wait=False, cancel_futures=True)
        cleanup.callback(workers.shutdown, wait=False, cancel_futures=True)
        cleanup.callback(run.stop.set)
        step = run.decode_and_embed if embedder.concurrent else run.decode
        while True:
            # one batch more than workers, so that none of them waits while on_batch writes
            while len(pending) <= threads and not summary.cancelled:
                if cancelled():
                    summary = replace(summary, cancelled=True)
                    break
                batch = todo.take()
                if not batch:
                    break
                if on_start is not None:
                    on_start(batch)
                pending.add(workers.submit(step, batch))
            if not pending:
                return replace(summary, repeated=todo.repeated)
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                if isinstance(outcome, _Decoded):
                    pending.add(forward.submit(run.embed, outcome))
                    continue
                on_batch(outcome)
                summary = replace(
                    summary,
                    embedded=summary.embedded + len(outcome.results),
                    failed=summary.failed + len(outcome.failures),
                )


class _Batches:
    """Cuts the work into batches, leaving out content keys that were there before."""

    def __init__(self, items: Iterable[WorkItem], size: int) -> None:
        self.repeated = 0
        self._items: Iterator[WorkItem] = iter(items)
        self._size = size
        self._seen: set[str] = set()

    def take(self) -> tuple[WorkItem, ...]:
        """The next batch, empty at the end."""
        batch: list[WorkItem] = []
        for item in self._items:
            if item.content_key in self._seen:
                self.repeated += 1
                continue
            self._seen.add(item.content_key)
            batch.append(item)
            if len(batch) == self._size:
                break
        return tuple(batch)


class _Run:
    """The steps that run in worker threads."""

    def __init__(self, embedder: Embedder, *, max_pixels: int) -> None:
        self.stop = threading.Event()
        self._embedder = embedder
        self._max_pixels = max_pixels

    def decode_and_embed(self, batch: Sequence[WorkItem]) -> Batch:
        """Both steps in one thread."""
        return self.embed(self.decode(batch))

    def decode(self, batch: Sequence[WorkItem]) -> _Decoded:
        """Look at each picture of a batch; what goes wrong with one concerns only that one."""
        looks: list[_Look] = []
        failures: list[PictureFailure] = []
        for item in batch:
            if self.stop.is_set():
                break  # the run has failed; nobody will see this batch
            try:
                looks.append(self._look(item))
            except PictureError as error:
                failures.append(PictureFailure(item.content_key, item.path, error.reason))
            except OSError as error:
                reason = error.strerror or str(error)
                failures.append(PictureFailure(item.content_key, item.path, f"the file cannot be read: {reason}"))
            except Exception as error:
                _log.warning("unexpected failure with %s", item.path, exc_info=True)
                reason = f"unexpected {type(error).__name__}: {error}"
                failures.append(PictureFailure(item.content_key, item.path, reason))
        return _Decoded(tuple(looks), tuple(failures))

    def embed(self, decoded: _Decoded) -> Batch:
        """The vectors of a decoded batch."""
        if not decoded.looks or self.stop.is_set():
            return Batch((), decoded.failures)
        vectors = self._embedder.embed([look.pixels for look in decoded.looks])
        expected = (len(decoded.looks), self._embedder.dimension)
        if vectors.shape != expected:
            raise ModelError(
                f"the model gave vectors of the shape {vectors.shape} instead of {expected}",
                advice="Remove the model and add it again; if that does not help, choose another.",
            )
        results: list[PictureResult] = []
        failures = list(decoded.failures)
        for look, vector in zip(decoded.looks, vectors, strict=True):
            if np.isfinite(vector).all():
                results.append(_result(look, vector))
            else:
                reason = "the model gave a vector with numbers that are not finite"
                failures.append(PictureFailure(look.item.content_key, look.item.path, reason))
        return Batch(tuple(results), tuple(failures))

    def _look(self, item: WorkItem) -> _Look:
        picture = open_picture(item.path, shortest_edge=self._embedder.shortest_edge, max_pixels=self._max_pixels)
        return _Look(
            item=item,
            pixels=self._embedder.prepare(picture.image),
            signals=measure(picture),
            perceptual_hash=perceptual_hash(picture.image),
            facts=picture.facts,
            technical=measure_technical(picture),
            thumbnail=thumbnail(picture.image),
        )


def _result(look: _Look, vector: NDArray[np.float32]) -> PictureResult:
    return PictureResult(
        content_key=look.item.content_key,
        path=look.item.path,
        vector=np.asarray(vector, np.float32),
        signals=look.signals,
        perceptual_hash=look.perceptual_hash,
        facts=look.facts,
        technical=look.technical,
        thumbnail=look.thumbnail,
    )

"""The pipeline over real files, with an embedder that is easy to predict."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keeprate.embedding import pipeline
from keeprate.embedding.embedder import Embedder, Pixels, Vectors
from keeprate.embedding.pipeline import Batch, PipelineSummary, WorkItem, embed_pictures
from keeprate.errors import DiskFullError, ModelError
from keeprate.pictures.decoding import Picture, open_picture
from keeprate.pictures.signals import measure
from keeprate.pictures.similarity import perceptual_hash
from support.commands import interruptible
from support.waiting import PATIENCE_S, next_line, wait_until

BOTH_WAYS = pytest.mark.parametrize("concurrent", [True, False], ids=["worker-per-core", "one-forward-thread"])


class MeanColour:
    """A vector of three numbers: the mean of each channel. Counts what it is asked for."""

    dimension = 3
    fingerprint = "0" * 16
    shortest_edge = 8
    device = "cpu"
    precision = "float32"

    def __init__(self, *, concurrent: bool = True) -> None:
        self.concurrent = concurrent
        self.batches: list[int] = []
        self.threads: set[int] = set()

    def prepare(self, image: Image.Image) -> Pixels:
        return np.asarray(image.resize((8, 8)))

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        self.batches.append(len(pixels))
        self.threads.add(threading.get_ident())
        return np.stack([picture.mean(axis=(0, 1)) for picture in pixels]).astype(np.float32)


class Recorder:
    """Takes the callbacks and notes in which order and thread they came."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.started: list[WorkItem] = []
        self.threads: set[int] = set()

    def on_start(self, items: Sequence[WorkItem]) -> None:
        self.threads.add(threading.get_ident())
        self.started.extend(items)

    def on_batch(self, batch: Batch) -> None:
        self.threads.add(threading.get_ident())
        self.batches.append(batch)

    @property
    def vectors(self) -> dict[str, list[int]]:
        return {
            result.content_key: result.vector.round().astype(int).tolist()
            for batch in self.batches
            for result in batch.results
        }

    @property
    def reasons(self) -> dict[str, str]:
        return {failure.content_key: failure.reason for batch in self.batches for failure in batch.failures}


def make_photos(folder: Path, count: int) -> list[WorkItem]:
    """Files in as many shades of grey; the content key is the shade."""
    items = []
    for shade in range(count):
        path = folder / f"{shade}.png"
        Image.new("RGB", (24, 18), (shade, shade, shade)).save(path)
        items.append(WorkItem(str(shade), path))
    return items


def run(items: object, embedder: Embedder, recorder: Recorder, **options: object) -> PipelineSummary:
    settings: dict[str, object] = {"threads": 3, "max_pixels": 10**6, "on_start": recorder.on_start} | options
    return embed_pictures(items, embedder, on_batch=recorder.on_batch, **settings)  # type: ignore[arg-type]


@BOTH_WAYS
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 50])
def test_every_photo_gets_its_own_vector(tmp_path: Path, concurrent: bool, count: int) -> None:
    recorder, embedder = Recorder(), MeanColour(concurrent=concurrent)
    summary = run(make_photos(tmp_path, count), embedder, recorder)
    assert summary == PipelineSummary(embedded=count, failed=0, repeated=0, cancelled=False)
    assert recorder.vectors == {str(shade): [shade] * 3 for shade in range(count)}
    assert sum(embedder.batches) == count
    assert max(embedder.batches, default=0) <= 8


@BOTH_WAYS
def test_what_is_measured_belongs_to_the_same_photo(tmp_path: Path, concurrent: bool) -> None:
    recorder = Recorder()
    run(make_photos(tmp_path, 20), MeanColour(concurrent=concurrent), recorder)
    results = [result for batch in recorder.batches for result in batch.results]
    assert len(results) == 20
    for result in results:
        picture = open_picture(result.path, shortest_edge=8, max_pixels=10**6)
        assert result.path.stem == result.content_key
        assert result.signals == measure(picture)
        assert result.perceptual_hash == perceptual_hash(picture.image)
        assert (result.facts.width, result.facts.height) == (24, 18)


@BOTH_WAYS
def test_callbacks_and_the_iterable_stay_in_the_calling_thread(tmp_path: Path, concurrent: bool) -> None:
    recorder, embedder = Recorder(), MeanColour(concurrent=concurrent)

    def lazily() -> Iterator[WorkItem]:
        for item in make_photos(tmp_path, 40):
            recorder.threads.add(threading.get_ident())
            yield item

    run(lazily(), embedder, recorder)
    here = threading.get_ident()
    assert recorder.threads == {here}
    assert here not in embedder.threads
    assert concurrent or len(embedder.threads) == 1


@BOTH_WAYS
def test_one_broken_file_harms_no_other(tmp_path: Path, concurrent: bool) -> None:
    items = make_photos(tmp_path, 12)
    items[2].path.write_bytes(b"")
    items[5].path.write_bytes(b"no picture")
    whole = items[7].path.read_bytes()
    items[7].path.write_bytes(whole[: len(whole) // 2])
    items[9].path.unlink()
    Image.new("RGB", (1100, 1000)).save(items[11].path)  # above max_pixels
    recorder = Recorder()
    summary = run(items, MeanColour(concurrent=concurrent), recorder)
    assert (summary.embedded, summary.failed) == (7, 5)
    assert recorder.vectors.keys() == {str(shade) for shade in range(12)} - {"2", "5", "7", "9", "11"}
    assert recorder.reasons.keys() == {"2", "5", "7", "9", "11"}
    assert all(reason for reason in recorder.reasons.values())
    assert "No such file" in recorder.reasons["9"]


def test_a_batch_of_nothing_but_broken_files(tmp_path: Path) -> None:
    recorder, embedder = Recorder(), MeanColour()
    items = [WorkItem(str(number), tmp_path / "gone") for number in range(9)]
    assert run(items, embedder, recorder) == PipelineSummary(embedded=0, failed=9)
    assert embedder.batches == []


def test_an_unforeseen_exception_in_one_picture_is_its_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def clumsy(path: Path, **options: int) -> Picture:
        if path.stem == "3":
            raise ZeroDivisionError("a decoder's bug")
        return open_picture(path, **options)

    monkeypatch.setattr(pipeline, "open_picture", clumsy)
    recorder = Recorder()
    summary = run(make_photos(tmp_path, 6), MeanColour(), recorder)
    assert (summary.embedded, summary.failed) == (5, 1)
    assert recorder.reasons == {"3": "unexpected ZeroDivisionError: a decoder's bug"}
    assert "3.png" in caplog.text


def test_a_content_key_is_embedded_once(tmp_path: Path) -> None:
    first, second = make_photos(tmp_path, 2)
    copies = [WorkItem("0", tmp_path / f"copy {number}.png") for number in range(30)]
    recorder, embedder = Recorder(), MeanColour()
    summary = run([first, *copies, second, first], embedder, recorder)
    assert summary == PipelineSummary(embedded=2, failed=0, repeated=31)
    assert recorder.vectors == {"0": [0] * 3, "1": [1] * 3}
    assert recorder.started == [first, second]


class NotFinite(MeanColour):
    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        vectors = super().embed(pixels)
        vectors[vectors[:, 0] == 4, 1] = np.nan
        vectors[vectors[:, 0] == 6, 2] = np.inf
        return vectors


@BOTH_WAYS
def test_a_vector_that_is_not_finite_is_a_failure(tmp_path: Path, concurrent: bool) -> None:
    recorder = Recorder()
    summary = run(make_photos(tmp_path, 10), NotFinite(concurrent=concurrent), recorder)
    assert (summary.embedded, summary.failed) == (8, 2)
    assert recorder.reasons.keys() == {"4", "6"}
    assert "not finite" in recorder.reasons["4"]


class WrongLength(MeanColour):
    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        return super().embed(pixels)[:, :2]


class OneTooFew(MeanColour):
    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        return super().embed(pixels)[1:]


@BOTH_WAYS
@pytest.mark.parametrize("kind", [WrongLength, OneTooFew])
def test_vectors_of_another_shape_end_the_run(tmp_path: Path, concurrent: bool, kind: type[MeanColour]) -> None:
    recorder = Recorder()
    with pytest.raises(ModelError, match="shape"):
        run(make_photos(tmp_path, 10), kind(concurrent=concurrent), recorder)
    assert recorder.vectors == {}


class OutOfMemory(MeanColour):
    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        raise RuntimeError("out of memory on the device")


@BOTH_WAYS
def test_an_exception_of_the_embedder_ends_the_run(tmp_path: Path, concurrent: bool) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        run(make_photos(tmp_path, 30), OutOfMemory(concurrent=concurrent), Recorder())
    assert_no_worker_is_left()


@BOTH_WAYS
def test_an_exception_while_storing_ends_the_run_soon(tmp_path: Path, concurrent: bool) -> None:
    recorder, embedder = Recorder(), MeanColour(concurrent=concurrent)

    def full(batch: Batch) -> None:
        raise DiskFullError("no room left")

    with pytest.raises(DiskFullError):
        embed_pictures(
            make_photos(tmp_path, 200),
            embedder,
            threads=2,
            max_pixels=10**6,
            on_batch=full,
            on_start=recorder.on_start,
        )
    assert len(recorder.started) <= 8 * 4  # those in hand, not all 200
    assert_no_worker_is_left()


def test_an_exception_of_the_iterable_ends_the_run(tmp_path: Path) -> None:
    def breaks() -> Iterator[WorkItem]:
        yield from make_photos(tmp_path, 10)
        raise OSError("the catalog went away")

    with pytest.raises(OSError, match="went away"):
        run(breaks(), MeanColour(), Recorder())
    assert_no_worker_is_left()


@BOTH_WAYS
def test_cancelling_finishes_what_is_in_hand_and_begins_nothing(tmp_path: Path, concurrent: bool) -> None:
    recorder = Recorder()
    summary = run(
        make_photos(tmp_path, 200),
        MeanColour(concurrent=concurrent),
        recorder,
        cancelled=lambda: len(recorder.batches) >= 3,
    )
    assert summary.cancelled
    assert {item.content_key for item in recorder.started} == recorder.vectors.keys()
    assert 3 * 8 <= summary.embedded <= 8 * 8


def test_cancelled_from_the_start_touches_nothing(tmp_path: Path) -> None:
    recorder = Recorder()
    assert run(make_photos(tmp_path, 9), MeanColour(), recorder, cancelled=lambda: True) == PipelineSummary(
        cancelled=True
    )
    assert recorder.started == []


@BOTH_WAYS
def test_a_batch_is_announced_before_any_file_of_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrent: bool
) -> None:
    """What a killed process was told to begin and did not finish contains the picture that killed it."""
    recorder = Recorder()
    too_early: list[str] = []

    def watching(path: Path, **options: int) -> Picture:
        if path.stem not in {item.content_key for item in list(recorder.started)}:
            too_early.append(path.stem)
        return open_picture(path, **options)

    monkeypatch.setattr(pipeline, "open_picture", watching)
    run(make_photos(tmp_path, 60), MeanColour(concurrent=concurrent), recorder)
    assert too_early == []
    assert len(recorder.started) == 60


@BOTH_WAYS
def test_the_look_ahead_is_bounded_while_storing_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrent: bool
) -> None:
    recorder = Recorder()
    pulled: list[WorkItem] = []
    decoded: list[Path] = []
    ahead: list[int] = []

    def counted() -> Iterator[WorkItem]:
        for item in make_photos(tmp_path, 120):
            pulled.append(item)
            yield item

    def counting(path: Path, **options: int) -> Picture:
        decoded.append(path)
        return open_picture(path, **options)

    def slow_store(batch: Batch) -> None:
        wait_until(lambda: len(decoded) == len(pulled), what="the workers have nothing left to do")
        recorder.on_batch(batch)
        ahead.append(len(pulled) - len(recorder.vectors))

    monkeypatch.setattr(pipeline, "open_picture", counting)
    embedder = MeanColour(concurrent=concurrent)
    embed_pictures(counted(), embedder, threads=2, max_pixels=10**6, batch_size=4, on_batch=slow_store)
    assert len(recorder.vectors) == 120
    assert max(ahead) <= 4 * (2 + 1)


@BOTH_WAYS
def test_a_slow_picture_holds_up_only_its_own_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrent: bool
) -> None:
    recorder = Recorder()
    others_done = threading.Event()

    def slow(path: Path, **options: int) -> Picture:
        if path.stem == "0":
            assert others_done.wait(PATIENCE_S)
        return open_picture(path, **options)

    def on_batch(batch: Batch) -> None:
        recorder.on_batch(batch)
        if len(recorder.vectors) == 60 - 8:
            others_done.set()

    monkeypatch.setattr(pipeline, "open_picture", slow)
    embed_pictures(
        make_photos(tmp_path, 60), MeanColour(concurrent=concurrent), threads=2, max_pixels=10**6, on_batch=on_batch
    )
    assert len(recorder.vectors) == 60
    assert recorder.reasons == {}


def test_ctrl_c_ends_the_run_and_its_threads(tmp_path: Path) -> None:
    """In a process of its own: a slow decoder, SIGINT in the middle, an exit within seconds."""
    make_photos(tmp_path, 40)
    script = """
import os, sys, time
from pathlib import Path
from keeprate.embedding import pipeline
from keeprate.embedding.builtin import BuiltinEmbedder

real = pipeline.open_picture
def slow(path, **options):
    time.sleep(1)
    os.write(1, b"decoding\\n")  # whole lines, whichever thread is first
    return real(path, **options)
pipeline.open_picture = slow
items = [pipeline.WorkItem(path.name, path) for path in sorted(Path(sys.argv[1]).glob("*.png"))]
try:
    pipeline.embed_pictures(items, BuiltinEmbedder(), threads=2, max_pixels=10**6, on_batch=lambda batch: None)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with interruptible():
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert next_line(process.stdout) == "decoding\n"
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert output.splitlines()[-1] == "interrupted"
    assert output.count("decoding") < 20, "each of two workers finishes the picture in hand; they would take 20 seconds"


def test_a_run_with_the_built_in_embedder(tmp_path: Path) -> None:
    from keeprate.embedding.builtin import BuiltinEmbedder

    recorder, embedder = Recorder(), BuiltinEmbedder()
    items = make_photos(tmp_path, 10)
    assert run(items, embedder, recorder).embedded == 10
    for batch in recorder.batches:
        for result in batch.results:
            image = open_picture(result.path, shortest_edge=224, max_pixels=10**6).image
            np.testing.assert_allclose(result.vector, embedder.embed([embedder.prepare(image)])[0], atol=1e-5)


def assert_no_worker_is_left() -> None:
    def alive() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith(("embed", "forward"))]

    wait_until(lambda: not alive(), what="worker threads end")

"""Thumbnails: what they show, which photos have one, and what becomes of pictures that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from keeprate.catalog import problems
from keeprate.config.load import load_config
from keeprate.paths import Home, locate_home
from keeprate.pictures.content_key import content_key
from keeprate.steps.labels.forgetting import forget
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Progress, Reporter, Session
from keeprate.steps.tasks import Outcome, Task, ThumbnailTask
from keeprate.steps.upkeep import thumbnails
from keeprate.steps.upkeep.thumbnails import ThumbnailsOutcome, make_thumbnails, thumbnail
from keeprate.steps.worker import perform
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError, worker
from support.judging import WorkerWithoutProcess
from support.photos import draw, write_photos
from support.small_disks import small_disk


def look(session: Session) -> None:
    """Scan and embed: photos that were never decoded have no thumbnail."""
    scan(session)
    embed_all(session, WorkerWithoutProcess(session))


def made(session: Session) -> ThumbnailsOutcome:
    return make_thumbnails(session, WorkerWithoutProcess(session))


def test_every_photo_gets_one_once(session: Session, root: Path) -> None:
    photos = write_photos(root / "new", range(5))
    look(session)
    outcome = made(session)
    assert (outcome.made, outcome.failed, outcome.cancelled) == (5, 0, False)
    for photo in photos:
        path = thumbnail(session.home, content_key(photo))
        assert path is not None
        assert path.is_relative_to(session.home.thumbnails_dir)

    again = WorkerWithoutProcess(session)
    assert make_thumbnails(session, again) == ThumbnailsOutcome()
    assert again.tasks == [], "nothing is missing: no worker is started"


def test_it_is_upright_and_small_and_tells_nothing_else(session: Session, root: Path) -> None:
    photo = root / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn it right
    exif[0x010F] = "A camera"
    picture = draw(1, size=(1600, 1200))
    picture.paste((255, 0, 0), (0, 0, 800, 1200))  # what is left in the file is on top when it is shown
    picture.save(photo, exif=exif, quality=95)
    look(session)
    made(session)
    path = thumbnail(session.home, content_key(photo))
    assert path is not None
    with Image.open(path) as shown:
        assert shown.format == "WEBP"
        assert shown.size == (240, 320)
        assert shown.getexif() == {}
        red, green, blue = shown.convert("RGB").getpixel((120, 80))  # type: ignore[misc]
        assert red > 200
        assert green < 60
        assert blue < 60
    assert b"A camera" not in path.read_bytes()


def test_a_small_picture_is_not_blown_up(session: Session, root: Path) -> None:
    photo = root / "small.png"
    draw(1, size=(50, 40)).save(photo)
    look(session)
    made(session)
    path = thumbnail(session.home, content_key(photo))
    assert path is not None
    with Image.open(path) as shown:
        assert shown.size == (50, 40)


def test_the_thumbnail_goes_with_the_photo_and_comes_back_with_it(session: Session, root: Path, tmp_path: Path) -> None:
    kept, gone = write_photos(root / "new", range(2))
    look(session)
    made(session)
    key = content_key(gone)
    gone.rename(tmp_path / "away.jpg")
    scan(session)
    assert made(session).removed == 1
    assert thumbnail(session.home, key) is None
    assert thumbnail(session.home, content_key(kept)) is not None

    (tmp_path / "away.jpg").rename(gone)
    scan(session)
    assert made(session).made == 1


def test_a_library_that_is_offline_keeps_its_thumbnails(session: Session, root: Path) -> None:
    photos = write_photos(root / "new", range(3))
    look(session)
    made(session)
    root.rename(root.with_name("elsewhere"))
    scan(session)
    assert made(session) == ThumbnailsOutcome()
    elsewhere = root.with_name("elsewhere")
    assert thumbnail(session.home, content_key(elsewhere / photos[0].relative_to(root))) is not None


def test_a_forgotten_photo_loses_it_at_once(session: Session, root: Path) -> None:
    photos = write_photos(root / "new", range(2))
    look(session)
    made(session)
    keys = [content_key(photo) for photo in photos]
    forget(session, keys[:1], dry_run=True)
    assert thumbnail(session.home, keys[0]) is not None
    forget(session, keys[:1])
    assert thumbnail(session.home, keys[0]) is None
    assert thumbnail(session.home, keys[1]) is not None


def test_only_the_newest_have_one(session: Session, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(root / "old", range(3))
    look(session)
    made(session)
    monkeypatch.setattr(thumbnails, "KEPT", 3)
    new = write_photos(root / "new", range(3, 5))
    look(session)
    outcome = made(session)
    assert (outcome.made, outcome.removed) == (2, 2)
    assert all(thumbnail(session.home, content_key(photo)) for photo in new)
    assert len(list(session.home.thumbnails_dir.rglob("*.webp"))) == 3


def test_they_may_be_switched_off(session: Session, root: Path) -> None:
    write_photos(root / "new", range(3))
    config = session.home.config_file
    config.write_text(config.read_text() + "\n[jobs]\nthumbnails = false\n")
    look(session)
    assert made(replace(session, config=load_config(config))) == ThumbnailsOutcome()
    assert not session.home.thumbnails_dir.exists()


def test_a_picture_that_broke_meanwhile_is_a_problem_until_it_changes(session: Session, root: Path) -> None:
    photos = write_photos(root / "new", range(3))
    look(session)
    whole = photos[1].read_bytes()
    photos[1].write_bytes(whole[: len(whole) // 3])
    outcome = made(session)
    assert (outcome.made, outcome.failed) == (2, 1)
    assert "1 photos could not be read" in outcome.sentence
    assert [(one.step, one.path) for one in problems.latest(session.catalog)] == [("thumbnail", str(photos[1]))]
    assert made(session) == ThumbnailsOutcome(), "it is not tried again"

    photos[1].write_bytes(whole)
    look(session)
    assert made(session).made == 1
    assert problems.count(session.catalog) == 0


def test_a_file_that_has_just_gone_is_no_problem(session: Session, root: Path) -> None:
    photos = write_photos(root / "new", range(3))
    look(session)
    photos[1].unlink()
    outcome = made(session)
    assert (outcome.made, outcome.failed) == (2, 0)
    assert problems.count(session.catalog) == 0


class FragileWorker(WorkerClient):
    """Does the real work here, but dies of some photos: of a batch that holds one before anything is made."""

    def __init__(self, session: Session, poison: set[str], ending: str = "SIGSEGV") -> None:
        super().__init__()
        self._session, self._poison, self._ending = session, poison, ending
        self.runs = 0

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        assert isinstance(task, ThumbnailTask)
        self.runs += 1

        def working(subjects: Sequence[str]) -> None:
            if self._poison & set(subjects):
                raise WorkerCrashedError(tuple(subjects), self._ending)

        return perform(task, self._session, working)


@pytest.mark.parametrize("ending", ["SIGSEGV", "SIGKILL"])
def test_the_photo_that_kills_the_worker_is_found_and_left_alone(session: Session, root: Path, ending: str) -> None:
    photos = write_photos(root / "new", range(20))
    look(session)
    poison = {content_key(photos[3]), content_key(photos[17])}
    outcome = make_thumbnails(session, FragileWorker(session, poison, ending))
    assert (outcome.made, outcome.failed) == (18, 2)
    assert {problem.content_key for problem in problems.latest(session.catalog)} == poison
    assert all(ending in problem.reason for problem in problems.latest(session.catalog))
    second, third = FragileWorker(session, poison, ending), FragileWorker(session, poison, ending)
    make_thumbnails(session, second)
    assert (second.runs > 0) == (ending == "SIGKILL"), "what others may have killed has one more chance"
    make_thumbnails(session, third)
    assert third.runs == 0


def test_stopping_between_batches_keeps_what_is_made(session: Session, root: Path) -> None:
    write_photos(root / "new", range(40))
    look(session)
    asked = iter([False, True])
    stopping = replace(session, reporter=Reporter(cancelled=lambda: next(asked, True)))
    outcome = made(stopping)
    assert outcome.cancelled
    assert 0 < outcome.made < 40
    assert made(session).made == 40 - outcome.made


def test_in_the_worker_process(session: Session, root: Path) -> None:
    write_photos(root / "new", range(4))
    look(session)
    seen: list[Progress] = []
    with worker() as client:
        told = replace(session, reporter=Reporter(progress=seen.append))
        assert make_thumbnails(told, client).made == 4
        client.close()
    assert seen[-1].step == "thumbnails"
    assert (seen[-1].done, seen[-1].total) == (4, 4)


def test_an_empty_file_that_a_power_cut_left_is_made_anew(session: Session, root: Path) -> None:
    (photo,) = write_photos(root / "new", range(1))
    look(session)
    made(session)
    path = thumbnail(session.home, content_key(photo))
    assert path is not None
    path.write_bytes(b"")
    assert thumbnail(session.home, content_key(photo)) is None
    assert made(session).made == 1
    assert path.stat().st_size > 0


def test_the_last_gigabyte_of_a_disk_is_left_alone(session: Session, root: Path, tmp_path: Path) -> None:
    write_photos(root / "new", range(3))
    look(session)
    with small_disk(tmp_path / "small") as small:
        outcome = made(replace(session, home=replace(session.home, cache_dir=small)))
        assert outcome.made == 0
        assert "less than 1 GB" in outcome.sentence
        assert list(small.rglob("*.webp")) == []


@pytest.mark.parametrize("text", ["", "..", "../../../etc/passwd", "jpeg1-../../x", "jpeg1-", "jpeg1-00/..", "a\0b"])
def test_a_key_from_a_stranger_leads_nowhere(text: str) -> None:
    assert thumbnail(locate_home(), text) is None


def test_it_is_found_by_its_key_alone(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path, tmp_path, tmp_path / "cache", tmp_path)
    key = "jpeg1-" + "0f" * 16
    path = tmp_path / "cache" / "thumbnails" / "0f" / f"{key}.webp"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert thumbnail(home, key) == path

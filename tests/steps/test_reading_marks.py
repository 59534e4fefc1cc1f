"""The marks step on a real folder and catalog, with a small photo manager and a worker that works in this process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import companions, given_marks, labels, problems, user_marks
from keeprate.catalog.user_marks import Decision
from keeprate.config.models import HeadConfig
from keeprate.errors import UsageError
from keeprate.plugin_api import Channel, LibraryPlace, PhotoManager, Shown
from keeprate.steps.labels.forgetting import forget, photos_of
from keeprate.steps.marks import reading_marks, reading_marks_run
from keeprate.steps.marks.held_marks import answer, held_groups
from keeprate.steps.marks.reading_marks_run import MarksRead, Places, read_marks, read_marks_in
from keeprate.steps.marks.taking_marks import said_of_photos
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Reporter, Session
from keeprate.steps.tasks import Outcome, ReadMarksTask, Task
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError
from support.marks import ReadsNotes, note
from support.photos import write_photos


class Here(WorkerClient):
    """Does the work at once, and dies at photos of a name."""

    def __init__(self, session: Session, deadly: str = "") -> None:
        super().__init__()
        self.session, self.deadly, self.tasks = session, deadly, 0

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        assert isinstance(task, ReadMarksTask)
        self.tasks += 1

        def working(subjects: object) -> None:
            assert isinstance(subjects, list)
            if self.deadly and subjects[0].endswith(self.deadly):
                raise WorkerCrashedError(tuple(subjects), "SIGSEGV")

        return reading_marks.read(self.session, task, working)


@pytest.fixture(autouse=True)
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the small photo manager is installed."""

    def only(library: object) -> dict[str, PhotoManager]:
        return {"notes": ReadsNotes(LibraryPlace("camera", Path("/")), None)}

    monkeypatch.setattr(reading_marks_run, "readers_for", only)
    monkeypatch.setattr(reading_marks, "readers_for", only)
    ReadsNotes.asked.clear()
    yield
    ReadsNotes.asked.clear()


def look(session: Session, deadly: str = "") -> MarksRead:
    ReadsNotes.asked.clear()
    scan(session)
    return read_marks(session, Here(session, deadly))


def said(session: Session) -> dict[str, tuple[str, str]]:
    """Name of a photo, where the label came from → what was said, and how."""
    current = labels.current(session.catalog, "keep").values()
    return {Path(label.path or "").name: (label.bucket or "", label.source) for label in current}


def photos(root: Path, count: int, first: int = 0) -> list[Path]:
    """Photos that were taken a day apart."""
    paths = write_photos(root / "in", range(first, first + count))
    for number, path in enumerate(paths):
        os.utime(path, (number * 86_400, number * 86_400))
    return paths


def test_stars_become_labels_and_change_with_them(session: Session, root: Path) -> None:
    one, two, three, four = photos(root, 4)
    note(one, rating=5)
    note(two, rating=-1)
    note(three, rating=3)
    note(four, pick="accepted")
    assert look(session) == MarksRead(read=4, labels=3)
    assert said(session) == {
        one.name: ("keep", "rating"),
        two.name: ("delete", "rating"),
        four.name: ("keep", "rating"),
    }
    note(one, rating=1)
    note(four).unlink()
    assert look(session) == MarksRead(read=2, labels=2)
    assert said(session) == {one.name: ("delete", "rating"), two.name: ("delete", "rating")}


def test_what_has_not_changed_is_not_read(session: Session, root: Path) -> None:
    paths = photos(root, 30)
    note(paths[3], rating=5)
    assert look(session).read == len(ReadsNotes.asked) == 30
    opened: list[str] = []
    watching = True

    def spy(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).startswith(str(root)):
            opened.append(str(arguments[0]))

    sys.addaudithook(spy)
    worker = Here(session)
    assert read_marks(session, worker) == MarksRead()
    assert (worker.tasks, opened) == (0, [])
    place = note(paths[3], rating=4)
    opened.clear()
    assert read_marks(session, worker).read == 1
    assert opened == [str(place)], "and nothing else; the spy is awake"
    watching = False


def test_a_move_later_counts_and_the_old_marks_are_no_news(session: Session, root: Path) -> None:
    (photo,) = photos(root, 1)
    note(photo, rating=5)
    look(session)
    shutil.move(photo, root / "delete")
    shutil.move(f"{photo}.marks", root / "delete")
    look(session)
    assert said(session) == {photo.name: ("delete", "move")}
    note(root / "delete" / photo.name, rating=4)
    look(session)
    assert said(session) == {photo.name: ("delete", "move")}, "4 stars mean what 5 meant"
    note(root / "delete" / photo.name, rating=1)
    look(session)
    note(root / "delete" / photo.name, rating=5)
    look(session)
    assert said(session) == {photo.name: ("keep", "rating")}, "the latest act counts"


def test_a_deleted_photo_goes_on_teaching_and_an_unplugged_library_says_nothing(session: Session, root: Path) -> None:
    one, two = photos(root, 2)
    note(one, rating=1)
    note(two, rating=5)
    look(session)
    before = said(session)
    one.unlink()
    look(session)
    assert said(session) == before
    away = root.rename(root.with_name("away"))
    assert look(session).labels == 0
    assert said(session) == before
    away.rename(root)
    assert look(session) == MarksRead()


def test_the_config_decides_anew_without_reading(session: Session, root: Path) -> None:
    one, two = photos(root, 2)
    note(one, rating=3, colour="Green", keywords=["Albums|Best"])
    note(two, rating=5)
    look(session)
    assert set(said(session)) == {two.name}
    ReadsNotes.asked.clear()
    head = HeadConfig(buckets={"keep": ("keep",), "delete": ("delete",)}, ratings={}, keywords={"delete": ("best",)})
    library = session.config.library[0].model_copy(update={"heads": {"keep": head}})
    changed = replace(session, config=session.config.model_copy(update={"library": (library,)}))
    assert read_marks(changed, Here(changed)) == MarksRead(labels=2)
    assert said(changed) == {one.name: ("delete", "rating")}
    assert ReadsNotes.asked == []


def test_contradictions_and_broken_notes_are_problems_of_one_photo(session: Session, root: Path) -> None:
    one, two, three = photos(root, 3)
    note(one, rating=5, pick="rejected")
    note(two, rating=5).write_text("{")
    note(three, rating=5)
    assert look(session) == MarksRead(read=3, failed=1, labels=1)
    found = {(one.step, Path(one.path).name): one.reason for one in problems.latest(session.catalog)}
    assert "5 stars means keep but the flag “rejected” means delete" in found["rating", one.name]
    assert found["marks", two.name] == "what you say about it cannot be read: the note is broken"
    assert look(session) == MarksRead(), "neither is asked again"
    note(one, rating=5)
    note(two, rating=5)
    assert look(session).labels == 2
    assert problems.count(session.catalog) == 0


def test_a_note_that_breaks_withdraws_nothing(session: Session, root: Path) -> None:
    (photo,) = photos(root, 1)
    note(photo, rating=5)
    look(session)
    note(photo).write_text("{")
    assert look(session).labels == 0
    assert said(session) == {photo.name: ("keep", "rating")}


def test_a_photo_that_kills_the_worker_is_left_alone_until_it_changes(session: Session, root: Path) -> None:
    paths = photos(root, 5)
    for path in paths:
        note(path, rating=5)
    found = look(session, deadly=paths[2].name)
    assert (found.read, found.failed, found.labels) == (4, 1, 4)
    (problem,) = problems.latest(session.catalog)
    assert (problem.path, problem.step) == (str(paths[2]), "marks")
    assert look(session, deadly=paths[2].name).read == 0
    note(paths[2], rating=4)
    assert look(session).read == 1
    assert problems.count(session.catalog) == 0


def test_a_part_of_a_library(session: Session, root: Path) -> None:
    one, two = photos(root, 2)
    deep = write_photos(root / "in" / "deep", range(10, 11))[0]
    look(session)
    for path in (one, two, deep):
        note(path, rating=5)
    library = session.config.library[0]
    worker = Here(session)
    assert read_marks_in(session, worker, library, Places(folders=[str(root / "keep")])) == MarksRead()
    assert read_marks_in(session, worker, library, Places(folders=[str(root / "in")])).read == 2
    assert read_marks_in(session, worker, library, Places(trees=[str(root / "in")])).read == 1


def test_a_batch_waits_for_an_answer(session: Session, root: Path) -> None:
    paths = photos(root, 40)
    for path in paths[:20]:
        note(path, rating=1)
    for path in paths[20:]:
        note(path, rating=int(path.stem[-1]) % 5 + 1)
        os.utime(f"{path}.marks", (int(path.stem[-4:]) * 1000, 0))
    found = look(session)
    assert (found.held, user_marks.count_held(session.catalog)) == (20, 20)
    (group,) = held_groups(session)
    assert (group.photos, group.value, group.folder) == (20, "1 star", str(root / "in"))
    assert len(group.examples) == 3
    assert all(name not in said(session) for name in [path.name for path in paths[:20]])
    with pytest.raises(UsageError, match="Nothing is held back"):
        answer(session, ["nothing"], Decision.ACCEPTED)
    outcome = answer(session, [group.id], Decision.ACCEPTED)
    assert (outcome.values, outcome.labels, outcome.still_held) == (20, 20, 0)
    assert said(session)[paths[0].name] == ("delete", "rating")
    assert held_groups(session) == []
    assert look(session) == MarksRead()


def test_what_is_ignored_is_not_asked_again(session: Session, root: Path) -> None:
    for path in photos(root, 25):
        note(path, rating=1)
    assert look(session).held == 25
    assert answer(session, [], Decision.IGNORED, everything=True).labels == 0
    assert look(session) == MarksRead()
    assert said(session) == {}
    note(root / "in" / "IMG_0003.jpg", rating=5)
    look(session)
    assert said(session) == {"IMG_0003.jpg": ("keep", "rating")}, "another value is another matter"


def test_what_is_ignored_and_set_again_is_a_new_act(session: Session, root: Path) -> None:
    (photo,) = photos(root, 1)
    look(session)
    (key,) = photos_of(session, [photo])
    with session.catalog.db.atomic():
        given_marks.record(session.catalog, [(key, Shown(Channel.RATING, "4"))], at=0.0)
    note(photo, rating=4)
    look(session)
    answer(session, [], Decision.IGNORED, everything=True)
    away = photo.rename(photo.with_name("elsewhere.jpg"))
    look(session)
    note(away, rating=4)
    assert look(session).held == 0, "the file had lost its note, nobody took the stars away"
    note(away)
    look(session)
    note(away, rating=4)
    assert look(session).held == 1, "taken away and set again: an act, to be asked about like any echo"


def test_rated_photos_that_come_back_from_a_backup_are_the_same(session: Session, root: Path) -> None:
    paths = photos(root, 25)
    for number, path in enumerate(paths):
        place = note(path, rating=5)
        os.utime(place, (number * 86_400, 0))
    for number, path in enumerate(paths):
        folder = root / "in" / str(number // 3)
        folder.mkdir(exist_ok=True)
        for file in (path, Path(f"{path}.marks")):
            file.rename(folder / file.name)
    assert look(session).labels == 25
    shutil.copytree(root / "in", root.parent / "backup")
    shutil.rmtree(root / "in")
    look(session)
    shutil.copytree(root.parent / "backup", root / "in", copy_function=shutil.copyfile)
    found = look(session)
    assert (found.read, found.labels, found.held) == (25, 0, 0)
    assert len(said(session)) == 25


def test_a_batch_that_arrives_in_pieces_is_held_when_it_is_recognised(session: Session, root: Path) -> None:
    paths = photos(root, 60)
    moment = 1_000_000_000.0

    def rate(some: list[Path]) -> None:
        for number, path in enumerate(some):
            os.utime(note(path, rating=1), (moment + number * 0.01, moment + number * 0.01))

    look(session)
    rate(paths[:15])
    assert look(session).labels == 15
    rate(paths[15:25])
    found = look(session)
    assert (found.labels, found.held) == (15, 25), "taken back, and asked about in the same pass"
    assert said(session) == {}


def test_a_folder_that_moves_before_the_answer_is_still_the_same_batch(session: Session, root: Path) -> None:
    for number, path in enumerate(photos(root, 25)):
        place = note(path, rating=1)
        os.utime(place, (number * 86_400, 0))
    assert look(session).held == 25
    os.rename(root / "in", root / "camera")
    found = look(session)
    assert (found.read, found.labels, found.held) == (25, 0, 25)


def test_what_keeprate_gave_is_not_learned_back(session: Session, root: Path) -> None:
    one, two = photos(root, 2)
    look(session)
    (key,) = photos_of(session, [one])
    with session.catalog.db.atomic():
        given_marks.record(session.catalog, [(key, Shown(Channel.RATING, "4"))])
    note(one, rating=4)
    note(two, rating=4)
    assert look(session) == MarksRead(read=2, labels=1, held=1)
    assert said(session) == {two.name: ("keep", "rating")}
    told = said_of_photos(session)
    assert key not in told or told[key] == ()
    assert told[photos_of(session, [two])[0]] == (Shown(Channel.RATING, "4"),)
    note(one, rating=5)
    look(session)
    assert said(session)[one.name] == ("keep", "rating"), "what keeprate never gave is the user's"


def test_exports_that_carry_our_stars_are_asked_about(session: Session, root: Path) -> None:
    original, named, alike, older, other = photos(root, 5)
    look(session)
    key, alike_key, older_key = photos_of(session, [original, alike, older])
    with session.catalog.db.atomic():
        given_marks.record(session.catalog, [(key, Shown(Channel.RATING, "4"))], at=5_000_000.0)
        session.catalog.conn.execute("DELETE FROM first_readings")
        session.catalog.conn.executemany(
            "UPDATE photos SET perceptual_hash = ? WHERE content_key = ?",
            [(-(1 << 60), key), (-(1 << 60) ^ 0b10101, alike_key), (-(1 << 60), older_key)],
        )
    note(named, rating=4, of_keys=[key])
    note(alike, rating=4)
    os.utime(note(older, rating=4), (4_000_000, 4_000_000))
    note(other, rating=4)
    found = look(session)
    assert (found.labels, found.held) == (2, 2)
    assert set(said(session)) == {older.name, other.name}, "that one was rated before we gave anything"
    answer(session, [], Decision.ACCEPTED, everything=True)
    assert len(said(session)) == 4


def test_a_look_alike_rated_later_is_the_users(session: Session, root: Path) -> None:
    one, two = photos(root, 2)
    look(session)
    with session.catalog.db.atomic():
        given_marks.record(session.catalog, [(photos_of(session, [one])[0], Shown(Channel.RATING, "4"))], at=0.0)
        session.catalog.conn.execute("UPDATE photos SET perceptual_hash = 77")
    note(two, rating=4)
    assert look(session).labels == 1


def test_a_companion_that_comes_later_revives_nothing(session: Session, root: Path) -> None:
    raw, jpeg = photos(root, 2)
    jpeg = jpeg.rename(root / "jpeg.jpg")
    look(session)
    note(raw, rating=5)
    look(session)
    raw = Path(shutil.move(raw, root / "delete"))
    shutil.move(root / "in" / f"{raw.name}.marks", root / "delete")
    look(session)
    raw_key, jpeg_key = photos_of(session, [raw, jpeg])
    assert labels.current(session.catalog, "keep")[raw_key].bucket == "delete"
    with session.catalog.db.atomic():
        companions.join(session.catalog, jpeg_key, [raw_key])
    assert look(session) == MarksRead(), "the JPEG leads now, and what the RAW said is no news"
    note(raw, rating=1)
    look(session)
    note(raw)
    look(session)
    note(raw, rating=5)
    assert look(session).labels == 1, "but a change is"


def test_all_files_of_a_shot_vote_together(session: Session, root: Path) -> None:
    raw, jpeg = photos(root, 2)
    look(session)
    raw_key, jpeg_key = photos_of(session, [raw, jpeg])
    with session.catalog.db.atomic():
        companions.join(session.catalog, jpeg_key, [raw_key])
        given_marks.record(session.catalog, [(jpeg_key, Shown(Channel.RATING, "1"))])
    note(raw, rating=5)
    assert look(session).labels == 1
    (label,) = labels.current(session.catalog, "keep").values()
    assert (label.content_key, label.bucket, label.path) == (jpeg_key, "keep", str(raw))
    assert said_of_photos(session)[jpeg_key] == (Shown(Channel.RATING, "5"),), "who marks the JPEG is told, too"
    note(jpeg, rating=-1)
    found = look(session)
    assert (found.labels, problems.count(session.catalog)) == (1, 1), "a contradiction withdraws"
    note(jpeg, rating=5)
    note(raw, rating=1)
    assert (look(session).held, labels.current(session.catalog, "keep")[jpeg_key].bucket) == (0, "keep")
    note(jpeg)
    assert look(session).held == 1, "given to the JPEG, standing at the RAW: an echo"


def test_forgetting_a_rated_photo_lasts_while_its_stars_do(session: Session, root: Path) -> None:
    one, two = photos(root, 2)
    note(one, rating=5)
    note(two, rating=5)
    look(session)
    keys = photos_of(session, [one, two])
    two.unlink()
    scan(session)
    forget(session, keys)
    look(session)
    assert said(session) == {}
    assert set(user_marks.taken(session.catalog, "keep")) == {keys[0]}, "of the other nothing is left"
    note(one, rating=1)
    look(session)
    assert said(session) == {one.name: ("delete", "rating")}

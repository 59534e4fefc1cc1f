"""What was said on the page, by stars or in a file, and what moves of the photo make of it."""

from __future__ import annotations

import random
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import companions, files, labels, user_marks
from keeprate.catalog.labels import Label, LabelSource
from keeprate.steps.labels.label_files import import_labels
from keeprate.steps.labels.labelling import update_labels
from keeprate.steps.labels.saying import Statement, say
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session, open_session
from support.photos import write_photos
from support.waiting import join


@pytest.fixture
def photo(session: Session, root: Path) -> Path:
    (path,) = write_photos(root / "in", range(1))
    scan(session)
    return path


def key_of(session: Session) -> str:
    return next(file.content_key for file in files.present(session.catalog) if file.content_key)


def on_page(session: Session, bucket: str | None) -> None:
    say(session, [Statement(key_of(session), "keep", bucket)], LabelSource.WEB)


def stars(session: Session, bucket: str | None) -> None:
    """What the marks step does when the user gives stars, or takes them away."""
    key = key_of(session)
    with session.catalog.db.atomic():
        if bucket is not None:
            labels.append(session.catalog, [Label(key, "keep", bucket, LabelSource.RATING, 1.0, "/p")])
        user_marks.take(session.catalog, "keep", {key: bucket})


def moved(session: Session, photo: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    photo = photo.rename(folder / photo.name)
    scan(session)
    return photo


def standing(session: Session) -> tuple[str | None, str] | None:
    label = labels.current(session.catalog, "keep").get(key_of(session))
    return None if label is None else (label.bucket, label.source)


def history(session: Session) -> list[tuple[str | None, str]]:
    return session.catalog.conn.execute("SELECT bucket, source FROM labels ORDER BY id").fetchall()


def test_moved_out_of_what_the_page_had_overruled(session: Session, root: Path, photo: Path) -> None:
    photo = moved(session, photo, root / "delete")
    on_page(session, "keep")
    photo = moved(session, photo, root / "in")
    assert standing(session) == ("keep", "web")
    assert history(session) == [("delete", "move"), ("keep", "web"), (None, "move"), ("keep", "web")]
    scan(session)
    update_labels(session)
    assert len(history(session)) == 4, "it is said once"


def test_a_copy_that_came_and_went_takes_nothing_along(session: Session, root: Path, photo: Path) -> None:
    on_page(session, "keep")
    where = labels.current(session.catalog, "keep")[key_of(session)].path
    for _ in range(2):
        copy = Path(shutil.copy(photo, root / "delete"))
        scan(session)
        assert standing(session) == ("delete", "move")
        copy.unlink()
        scan(session)
        assert standing(session) == ("keep", "web")
    assert labels.current(session.catalog, "keep")[key_of(session)].path == where


@pytest.mark.parametrize("bucket", ["keep", "delete"])
def test_moved_through_a_bucket(session: Session, root: Path, photo: Path, bucket: str) -> None:
    on_page(session, "keep")
    photo = moved(session, photo, root / bucket)
    moved(session, photo, root / "archive")
    assert standing(session) == ("keep", "web")


def test_copies_in_two_buckets_leave_what_was_said(session: Session, root: Path, photo: Path) -> None:
    on_page(session, "keep")
    photo = moved(session, photo, root / "delete")
    shutil.copy(photo, root / "keep")
    scan(session)
    assert standing(session) == ("keep", "web")


@pytest.mark.parametrize("where", ["in", "delete"])
def test_what_was_taken_back_on_the_page_stays_away(session: Session, root: Path, photo: Path, where: str) -> None:
    on_page(session, "keep")
    photo = moved(session, photo, root / where)
    on_page(session, None)
    photo = moved(session, photo, root / "keep")
    moved(session, photo, root / "in")
    assert standing(session) is None


def test_a_word_that_agrees_with_the_place_ends_the_opposite(session: Session, root: Path, photo: Path) -> None:
    on_page(session, "keep")
    photo = moved(session, photo, root / "delete")
    on_page(session, "delete")
    moved(session, photo, root / "in")
    assert standing(session) is None


def test_undo_on_the_page_leaves_the_place_its_say(session: Session, root: Path, photo: Path) -> None:
    photo = moved(session, photo, root / "delete")
    outcome = say(session, [Statement(key_of(session), "keep", "keep")], LabelSource.WEB)
    say(session, outcome.undo, LabelSource.WEB)
    assert standing(session) == ("delete", "web")
    moved(session, photo, root / "in")
    assert standing(session) is None


@pytest.mark.parametrize(("now", "left"), [("keep", ("keep", "rating")), (None, None), ("delete", None)])
def test_stars_count_again_while_they_stand(
    session: Session, root: Path, photo: Path, now: str | None, left: tuple[str, str] | None
) -> None:
    stars(session, "keep")
    photo = moved(session, photo, root / "delete")
    with session.catalog.db.atomic():
        user_marks.take(session.catalog, "keep", {key_of(session): now})
    moved(session, photo, root / "in")
    assert standing(session) == left


def test_stars_of_a_companion_count_for_the_shot(session: Session, root: Path, photo: Path) -> None:
    stars(session, "keep")
    key = key_of(session)
    write_photos(root / "other", range(1, 2))
    scan(session)
    leader = next(one.content_key for one in files.present(session.catalog) if one.content_key != key)
    assert leader is not None
    with session.catalog.db.atomic():
        companions.join(session.catalog, leader, [key])
        user_marks.take(session.catalog, "keep", {key: None, leader: "keep"})
    photo = moved(session, photo, root / "delete")
    moved(session, photo, root / "in")
    label = said_of_shots(session, "keep").of_photo(leader)
    assert label is not None
    assert (label.content_key, label.bucket, label.source) == (key, "keep", "rating")


def test_a_file_of_labels_counts_again_too_and_a_later_file_ends_it(
    session: Session, root: Path, photo: Path, tmp_path: Path
) -> None:
    def imported(bucket: str) -> int:
        file = tmp_path / "labels.csv"
        file.write_text(f"image,label\n{photo},{bucket}\n")
        return import_labels(session, file).total

    imported("keep")
    photo = moved(session, photo, root / "delete")
    photo = moved(session, photo, root / "in")
    assert standing(session) == ("keep", "csv")
    photo = moved(session, photo, root / "delete")
    assert (imported("delete"), imported("delete")) == (1, 0)
    moved(session, photo, root / "in")
    assert standing(session) is None


def test_a_deleted_photo_brings_nothing_back(session: Session, root: Path, photo: Path) -> None:
    on_page(session, "keep")
    photo = moved(session, photo, root / "delete")
    key = key_of(session)
    write_photos(root / "in", range(1, 3))  # a library that has lost everything is offline
    scan(session)
    photo.unlink()
    scan(session)
    assert labels.current(session.catalog, "keep")[key].bucket == "delete"


def test_where_folders_are_the_whole_truth_nothing_returns(session: Session, root: Path, photo: Path) -> None:
    library = session.config.library[0].model_copy(update={"forget_vanished": True})
    session = replace(session, config=session.config.model_copy(update={"library": (library,)}))
    on_page(session, "keep")
    photo = moved(session, photo, root / "delete")
    moved(session, photo, root / "in")
    assert standing(session) is None


def test_the_page_may_speak_while_a_scan_looks_at_labels(session: Session, root: Path, photo: Path) -> None:
    (root / "delete" / "link.jpg").symlink_to(photo)
    statement = Statement(key_of(session), "keep", "keep")

    def speak() -> None:
        with open_session(session.home) as page:
            say(page, [statement], LabelSource.WEB)

    speaker = threading.Thread(target=speak)

    def at_statement(sql: str) -> None:
        if "FROM labels" in sql and speaker.ident is None:
            speaker.start()
            speaker.join(0.5)  # it must not get through before the scan has written what it decided

    session.catalog.conn.set_trace_callback(at_statement)
    scan(session)
    session.catalog.conn.set_trace_callback(None)
    join(speaker)
    assert history(session) == [("delete", "move"), ("keep", "web")]


@pytest.mark.parametrize("seed", range(3))
def test_any_moves_end_where_the_last_word_was(session: Session, root: Path, photo: Path, seed: int) -> None:
    """Moves alone never make more than places say; with a word on the page, it stands wherever no bucket has one."""
    chance = random.Random(seed)
    places = {"in": None, "archive": None, "keep": "keep", "delete": "delete"}
    spoken: str | None = None
    for step in range(24):
        if step == 12:
            spoken = "delete" if standing(session) == ("keep", "move") else "keep"
            if standing(session) is not None:
                photo = moved(session, photo, root / "in")
            on_page(session, spoken)
            assert standing(session) == (spoken, "web")
        folder = chance.choice([name for name in places if name != photo.parent.name])
        photo = moved(session, photo, root / folder)
        label = labels.current(session.catalog, "keep").get(key_of(session))
        assert (label.bucket if label else None) == (places[folder] or spoken)
        if step < 12:
            assert {source for _, source in history(session)} <= {"move", "folder"}


def test_no_label_walks_the_library(session: Session, root: Path, photo: Path) -> None:
    """By the plans that SQLite makes; of 100,000 photos, a walk takes 10 ms a label."""
    asked: list[str] = []
    session.catalog.conn.set_trace_callback(asked.append)
    on_page(session, "keep")
    moved(session, photo, root / "delete")
    session.catalog.conn.set_trace_callback(None)
    by_photo = [sql for sql in asked if "FROM files WHERE content_key = " in sql]
    assert len(by_photo) >= 3, "of the head, where it lies, whether it was elsewhere"
    for sql in by_photo:
        plan = [row[3] for row in session.catalog.conn.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert "files_by_content" in plan[0], sql

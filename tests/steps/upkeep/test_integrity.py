"""A check finds what is broken, says what to do, and changes nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from keeprate.catalog import journal, models, runs
from keeprate.catalog.copying import in_a_line
from keeprate.catalog.journal import Planned
from keeprate.paths import locate_home
from keeprate.steps.session import Reporter, Session, open_session
from keeprate.steps.upkeep.backup import back_up
from keeprate.steps.upkeep.integrity import IntegrityOutcome, check
from support.catalogs import add_file, add_vector
from support.damage import damage
from support.judging import put_head


def only_finding(session: Session) -> str:
    outcome = check(session)
    assert len(outcome.findings) == 1
    assert not outcome.ok
    assert not outcome.damaged
    assert outcome.sentence == outcome.findings[0]
    return outcome.findings[0]


@pytest.mark.parametrize("quick", [False, True])
def test_a_sound_catalog(session: Session, quick: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    put_head(session, tmp_path_factory.mktemp("head"))
    add_file(session.catalog, "/p/1.jpg", "k1")
    before = session.home.catalog_file.read_bytes()
    outcome = check(session, quick=quick)
    assert outcome.ok
    assert outcome.findings == ()
    assert outcome.sentence == "The catalog is sound."
    assert session.home.catalog_file.read_bytes() == before


@pytest.mark.parametrize("quick", [False, True])
def test_damage_names_the_latest_good_backup(session: Session, quick: bool) -> None:
    good = back_up(session).path
    session.catalog.close()
    damage(session.home.catalog_file)
    with open_session(locate_home()) as broken:
        outcome = check(broken, quick=quick)
    assert outcome.damaged
    assert not outcome.ok
    assert outcome.sentence.startswith("The catalog is damaged")
    assert str(good) in outcome.findings[0]
    assert "***" not in outcome.findings[0]
    assert outcome.findings[0].isprintable(), "one line"


def test_what_sqlite_says_becomes_part_of_a_sentence() -> None:
    said = "*** in database main ***\nOn tree page 87 cell 3: out of order.\nPage 9: never used"
    assert in_a_line([said, "row 7 missing from index x"]) == "On tree page 87 cell 3: out of order, and 2 more"
    assert in_a_line(["ok"]) == "ok"
    assert in_a_line(["*** in database main ***"]) == "no more is known"


def test_damage_without_a_backup(session: Session) -> None:
    session.catalog.close()
    damage(session.home.catalog_file)
    with open_session(locate_home()) as broken:
        outcome = check(broken)
    assert "no backup" in outcome.findings[0]
    assert "keeprate sync" in outcome.findings[0]


def test_rows_that_lost_what_they_belong_to(session: Session) -> None:
    add_file(session.catalog, "/p/1.jpg", "k1")
    session.catalog.conn.execute("PRAGMA foreign_keys = OFF")
    session.catalog.conn.execute("DELETE FROM photos")
    session.catalog.conn.commit()
    assert "1 rows of the table files" in only_finding(session)


def test_vectors_of_another_length(session: Session) -> None:
    add_file(session.catalog, "/p/1.jpg", "k1")
    add_file(session.catalog, "/p/2.jpg", "k2")
    models.record_loaded(session.catalog, models.active(session.catalog), embed_dim=2, fingerprint="f")
    add_vector(session.catalog, "k1", [1.0, 2.0])
    add_vector(session.catalog, "k2", [1.0, 2.0, 3.0])
    assert "1 vectors by the model 'builtin' do not have 2 numbers" in only_finding(session)


def test_no_model_in_use(session: Session) -> None:
    with session.catalog.db.atomic():
        session.catalog.conn.execute("UPDATE models SET active = 0")
    assert "keeprate model activate builtin" in only_finding(session)


@pytest.mark.parametrize("missing", [True, False])
def test_a_head_whose_file_is_missing_or_damaged(
    session: Session, missing: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    version = put_head(session, tmp_path_factory.mktemp("head"))
    file = session.home.heads_dir / str(version.file)
    if missing:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    finding = only_finding(session)
    assert file.name in finding
    assert "keeprate train --head keep --force" in finding


def test_marks_that_were_never_finished(session: Session) -> None:
    run = runs.begin(session.catalog, "write")
    (entry,) = journal.plan(
        session.catalog,
        [Planned(locate_home().data_dir / "x.xmp", "stars", None, None, b"5")],
        run_id=run, library="camera", manager="xmp",
    )  # fmt: skip
    assert check(session).ok, "one that is at work right now is nothing to tell"
    with session.catalog.db.atomic():
        session.catalog.conn.execute("UPDATE journal SET at = ? WHERE id = ?", (time.time() - 3 * 86400, entry))
    assert "1 marks were begun and never finished" in only_finding(session)
    journal.settle(session.catalog, {entry: "done"})
    assert check(session).ok


def test_it_can_be_stopped(session: Session) -> None:
    with session.catalog.db.atomic():
        session.catalog.conn.executemany(
            "INSERT INTO photos (content_key, first_seen, first_folder) VALUES (?, 0, '')",
            [(f"k{number}",) for number in range(20_000)],
        )
    outcome = check(replace(session, reporter=Reporter(cancelled=lambda: True)))
    assert outcome == IntegrityOutcome(cancelled=True, seconds=outcome.seconds)
    assert outcome.sentence == "The check was stopped before it was complete."

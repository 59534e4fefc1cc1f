from __future__ import annotations

from keeprate.catalog import jobs, open_catalog
from keeprate.catalog.jobs import ALL
from keeprate.service.pauses import Pause, Pauses
from keeprate.steps.session import Session
from support.daemon_parts import SetClocks
from support.waiting import wait_until


def written(session: Session, name: str, *, paused: bool) -> None:
    wait_until(lambda: (record := jobs.all_jobs(session.catalog).get(name)) is not None and record.paused == paused)


def test_a_pause_outlives_the_daemon(session: Session) -> None:
    clocks = SetClocks()
    Pauses(session.home, clocks).begin("write", None)
    written(session, "write", paused=True)
    again = Pauses(session.home, clocks)
    again.read(session.catalog)
    assert again.holds("write") == Pause(None)
    assert again.holds("embed") is None


def test_a_pause_ends_by_itself(session: Session) -> None:
    clocks = SetClocks()
    pauses = Pauses(session.home, clocks)
    pauses.begin(ALL, clocks.wall() + 60)
    assert pauses.holds("embed") is not None
    assert pauses.next_end() == clocks.wall() + 60
    clocks.pass_by(61)
    assert pauses.holds("embed") is None
    assert pauses.next_end() is None


def test_resuming_all_leaves_what_was_paused_by_itself(session: Session) -> None:
    pauses = Pauses(session.home, SetClocks())
    pauses.begin("write", None)
    pauses.begin(ALL, None)
    pauses.end()
    assert pauses.holds("embed") is None
    assert pauses.holds("write") == Pause(None), "after an undo it may not write until it is told so itself"
    written(session, "write", paused=True)
    written(session, ALL, paused=False)


def test_resuming_one_job_leaves_the_others_paused(session: Session) -> None:
    pauses = Pauses(session.home, SetClocks())
    pauses.begin("write", None)
    pauses.begin("embed", None)
    pauses.end("embed")
    assert pauses.holds("write") is not None
    assert pauses.holds("embed") is None


def test_what_a_command_paused_is_taken_in(session: Session) -> None:
    pauses = Pauses(session.home, SetClocks())
    jobs.record_pause(session.catalog, "write", paused=True)
    assert pauses.holds("write") is None
    pauses.read(session.catalog)
    assert pauses.holds("write") == Pause(None)
    jobs.record_pause(session.catalog, "write", paused=False)
    pauses.read(session.catalog)
    assert pauses.holds("write") is None


def test_what_is_not_written_down_yet_is_not_forgotten(session: Session) -> None:
    pauses = Pauses(session.home, SetClocks())
    with session.catalog.db.atomic():
        session.catalog.conn.execute("UPDATE jobs SET outcome = outcome")  # nobody else can write now
        pauses.begin("write", None)
        pauses.read(session.catalog)
        assert pauses.holds("write") is not None
    written(session, "write", paused=True)


def test_an_hour_stays_an_hour_when_the_clock_is_set_back(session: Session) -> None:
    clocks = SetClocks()
    pauses = Pauses(session.home, clocks)
    pauses.begin(ALL, clocks.wall() + 3600)
    clocks.leap(-5 * 3600)
    pauses.clock_leapt(-5 * 3600)
    clocks.pass_by(3599)
    assert pauses.of(ALL) is not None
    clocks.pass_by(2)
    assert pauses.of(ALL) is None


def test_a_pause_is_over_after_a_night_of_sleep(session: Session) -> None:
    clocks = SetClocks()
    pauses = Pauses(session.home, clocks)
    pauses.begin(ALL, clocks.wall() + 3600)
    clocks.leap(8 * 3600)
    pauses.clock_leapt(8 * 3600)
    assert pauses.of(ALL) is None


def test_what_others_note_in_the_catalog_is_seen_at_a_look(session: Session) -> None:
    pauses = Pauses(session.home, SetClocks())
    pauses.look(session.catalog)
    with open_catalog(session.home.catalog_file) as theirs:
        jobs.record_pause(theirs, "write", paused=True)
        assert pauses.look(session.catalog)
        assert pauses.holds("write") == Pause(None)
        jobs.record_run(theirs, "embed", started_at=1, finished_at=2, outcome="", failed=False)
        assert not pauses.look(session.catalog), "that is no pause"
        jobs.record_pause(theirs, "write", paused=False)
        assert pauses.look(session.catalog)
    assert pauses.holds("write") is None


def test_a_catalog_that_cannot_be_read_changes_no_pause(session: Session) -> None:
    pauses = Pauses(session.home, SetClocks())
    jobs.record_pause(session.catalog, "write", paused=True)
    pauses.look(session.catalog)
    session.catalog.close()
    assert not pauses.look(session.catalog)
    assert pauses.holds("write") == Pause(None)

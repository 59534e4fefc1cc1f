"""What is done in a round, what waits, and what the daemon says about it: with jobs and clocks that do as told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from keeprate.catalog import jobs as job_records
from keeprate.catalog import open_catalog
from keeprate.catalog.jobs import ALL
from keeprate.config.durations import parse_duration
from keeprate.config.models import JobsConfig
from keeprate.errors import CatalogDamagedError, DiskFullError
from keeprate.service.events import Event, Events
from keeprate.service.jobs.job import Desk
from keeprate.service.lookout import Lookout
from keeprate.service.pauses import Pauses
from keeprate.service.rounds import AT_A_STRETCH_S, HELD, LISTENS_AFTER_S, RETRY_AFTER_S, Rounds
from keeprate.service.schedule import Schedule
from keeprate.steps.session import Progress, Reporter, Session
from keeprate.steps.worker_client import WorkerClient
from support.daemon_parts import SetClocks, ToldJob, ToldMachine

MALFORMED = sqlite3.DatabaseError("database disk image is malformed")
NAMES = ("reconcile", "embed", "retrain", "score", "write", "integrity", "backup")


@dataclass
class World:
    """A daemon's inside without its loop."""

    rounds: Rounds
    jobs: dict[str, ToldJob]
    clocks: SetClocks
    machine: ToldMachine
    pauses: Pauses
    events: Events
    desk: Desk
    news: bool = False

    def do(self) -> None:
        self.rounds.catch_up()
        self.rounds.do()

    def done(self) -> list[str]:
        return [name for name, job in self.jobs.items() if job.done]

    def set(self, **values: object) -> None:
        """Change settings of [jobs]."""
        settings = JobsConfig.model_validate({**self.desk.session.config.jobs.model_dump(), **values})
        self.desk.session = replace(
            self.desk.session, config=self.desk.session.config.model_copy(update={"jobs": settings})
        )


@pytest.fixture
def world(session: Session) -> Iterator[World]:
    clocks, events, machine = SetClocks(), Events(), ToldMachine()
    pauses, schedule = Pauses(session.home, clocks), Schedule()
    made: list[World] = []
    reporter = Reporter(
        lambda progress: made[0].rounds.take_progress(progress),
        lambda: bool(made) and made[0].rounds.must_yield(wished=made[0].news),
    )
    session = replace(session, reporter=reporter)
    desk = Desk(session, WorkerClient(), Lookout(session, lambda _: None, clocks), events, clocks)
    jobs = {name: ToldJob(desk, name) for name in NAMES}
    rounds = Rounds(desk, pauses, schedule, lambda _: None, machine=machine, jobs=tuple(jobs.values()))
    rounds.board.phase("idle")
    made.append(World(rounds, jobs, clocks, machine, pauses, events, desk))
    schedule.start()
    yield made[0]
    schedule.stop()


def names(world: World) -> list[str]:
    kept: list[Event] = []
    with world.events.heard_by(kept.append, after=0):
        return [event.name for event in kept]


def test_only_what_has_work_is_done_and_remembered(world: World) -> None:
    world.jobs["embed"].work = 3
    world.do()
    assert world.done() == ["embed"]
    status = world.rounds.board.job("embed")
    assert (status.state, status.last_outcome, status.last_failed) == ("idle", "3 pieces done.", False)
    assert set(job_records.all_jobs(world.desk.session.catalog)) == {"embed"}


def test_nothing_to_do_writes_nothing(world: World) -> None:
    world.do()
    changes = world.desk.session.catalog.conn.total_changes
    for _ in range(5):
        world.do()
    assert world.desk.session.catalog.conn.total_changes == changes
    assert world.rounds.next_work_at() is None
    assert world.rounds.board.live(None).sentence.startswith("Idle: 0 photos up to date")


def test_what_one_job_finds_is_work_for_the_next_in_the_same_round(world: World) -> None:
    world.jobs["reconcile"].work = 1
    world.jobs["reconcile"].during = lambda: setattr(world.jobs["embed"], "work", 2)
    world.rounds.catch_up()
    world.rounds.do()
    assert world.done() == ["reconcile", "embed"]


def test_heavy_work_waits_and_says_why_and_light_work_does_not(world: World) -> None:
    for job in world.jobs.values():
        job.work = 1
    world.machine.battery = True
    world.do()
    assert world.done() == ["reconcile", "score", "write"]
    for name in ("embed", "retrain", "integrity", "backup"):
        status = world.rounds.board.job(name)
        assert (status.state, status.why) == ("waiting", "The machine runs on battery.")
        assert status.next_at == world.clocks.wall() + 60
    assert world.rounds.board.live(None).sentence == "Embed new photos: later. The machine runs on battery."
    assert names(world).count("job.waiting") == 4
    world.do()
    assert names(world).count("job.waiting") == 4, "the same reason is told once"
    world.machine.battery = False
    world.do()
    assert world.done() == list(NAMES)


def test_quiet_hours_name_their_end(world: World) -> None:
    now = datetime.fromtimestamp(world.clocks.wall())
    until = (now + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    world.set(quiet_hours=f"{(now - timedelta(hours=1)).strftime('%H:00')}-{until.strftime('%H:00')}")
    world.jobs["embed"].work = 1
    world.do()
    status = world.rounds.board.job("embed")
    assert status.why.startswith("It is within quiet hours")
    assert status.next_at == pytest.approx(until.timestamp(), abs=1)


def test_the_machine_is_looked_at_once_a_round(world: World) -> None:
    for job in world.jobs.values():
        job.work = 1
    world.machine.share = 0.9
    world.do()
    assert world.machine.looks == 1


def test_patience_ends_and_the_work_is_then_done_to_its_end(world: World) -> None:
    world.set(patience=parse_duration("1h"))
    world.machine.share = 0.9
    world.jobs["embed"].work = 1
    world.do()
    assert world.done() == []
    world.clocks.pass_by(3601)
    world.jobs["embed"].during = lambda: world.clocks.pass_by(AT_A_STRETCH_S + 1)  # it is cut after that
    world.do()
    assert world.jobs["embed"].done == ["due"]
    world.do()
    assert world.jobs["embed"].done == ["due", "due"], "it does not wait for another hour after five minutes"


def test_what_a_person_asks_for_is_done_first_whatever_speaks_against_it(world: World) -> None:
    world.machine.battery = True
    world.pauses.begin(ALL, None)
    order: list[str] = []
    for name, job in world.jobs.items():
        job.work = 1
        job.during = lambda name=name: order.append(name)  # type: ignore[misc]
    world.rounds.ask("backup", "because")
    assert world.rounds.next_work_at() == world.clocks.steady()
    world.rounds.do()
    assert order == ["backup"]
    assert world.jobs["backup"].done == ["asked"]
    assert world.rounds.next_work_at() is None, "all else rests"


def test_who_asked_is_answered_also_if_there_was_nothing_to_do(world: World) -> None:
    world.rounds.ask("retrain", "because")
    world.rounds.do()
    assert world.rounds.board.job("retrain").last_outcome == "0 pieces done."
    assert "job.finished" in names(world)


def test_who_asks_for_learning_has_the_folders_looked_at_first(world: World) -> None:
    world.pauses.begin(ALL, None)
    order: list[str] = []
    for name, job in world.jobs.items():
        job.during = lambda name=name: order.append(name)  # type: ignore[misc]
    world.rounds.ask("retrain", "because")
    world.rounds.do()
    assert order == ["reconcile", "retrain"]
    assert world.jobs["reconcile"].done == ["asked"], "all folders, whatever is known to have changed"


def test_a_long_step_makes_way_for_what_a_person_asks_for(world: World) -> None:
    world.jobs["embed"].work = 1
    world.jobs["embed"].during = lambda: world.rounds.ask("retrain", "because") if not world.done()[1:] else None
    world.rounds.catch_up()
    world.rounds.do()
    assert world.done() == ["embed"], "it was cut, and the round begins anew"
    world.rounds.do()
    assert world.jobs["retrain"].done == ["asked"]
    assert world.jobs["embed"].done == ["due", "due"]
    assert world.jobs["embed"].work == 0


def test_a_long_step_listens_to_news_after_a_while(world: World) -> None:
    world.jobs["embed"].work = world.jobs["score"].work = 1
    world.news = True
    world.jobs["embed"].during = lambda: world.clocks.pass_by(LISTENS_AFTER_S + 1)
    world.do()
    assert world.done() == ["embed"]
    assert world.rounds.next_work_at() == world.clocks.steady(), "it goes on at once"
    world.news = False
    world.rounds.do()
    assert world.done() == ["embed", "score"]


@pytest.mark.parametrize("held", [True, False])
def test_a_long_step_makes_no_way_for_folders_that_are_not_looked_at(world: World, held: bool) -> None:
    world.desk.lookout.look_at_all(because="because of news")
    if held:
        world.pauses.begin("reconcile", None)
    world.jobs["embed"].work = 1
    world.jobs["embed"].during = lambda: world.clocks.pass_by(LISTENS_AFTER_S + 1)
    world.do()
    assert world.jobs["embed"].work == (0 if held else 1)


def test_a_long_step_makes_no_way_for_folders_that_failed_a_moment_ago(world: World) -> None:
    world.desk.lookout.look_at_all(because="because of news")
    world.jobs["reconcile"].work = world.jobs["embed"].work = 1
    world.jobs["reconcile"].error = OSError("the share does not answer")
    world.jobs["embed"].during = lambda: world.clocks.pass_by(LISTENS_AFTER_S + 1)
    world.do()
    assert world.jobs["embed"].work == 0


def test_a_pause_cuts_the_step_that_runs(world: World) -> None:
    world.jobs["write"].work = 1
    world.jobs["write"].during = lambda: world.pauses.begin("write", None)
    world.do()
    assert world.jobs["write"].work == 1
    assert world.rounds.board.job("write").state == "paused"
    world.do()
    assert world.jobs["write"].done == ["due"], "and it is not begun again"
    world.pauses.end("write")
    world.jobs["write"].during = lambda: None
    world.do()
    assert world.jobs["write"].work == 0


def test_a_pause_that_somebody_notes_in_the_catalog_holds_for_the_next_job(world: World) -> None:
    def note() -> None:
        with open_catalog(world.desk.session.home.catalog_file) as theirs:
            job_records.record_pause(theirs, "write", paused=True)

    world.jobs["score"].work = world.jobs["write"].work = 1
    world.jobs["score"].during = note
    world.do()
    assert world.done() == ["score"]
    assert world.rounds.board.job("write").state == "paused"


def test_a_job_that_fails_keeps_no_other_from_working_and_is_tried_again_ever_later(world: World) -> None:
    world.jobs["embed"].work = world.jobs["score"].work = 1
    world.jobs["embed"].error = RuntimeError("the model is upside down")
    world.do()
    assert world.done() == ["embed", "score"]
    status = world.rounds.board.job("embed")
    assert status.last_failed
    assert "upside down" in status.last_outcome
    assert status.next_at == world.clocks.wall() + RETRY_AFTER_S
    assert world.rounds.board.live(None).attention == (), "once is no reason to call the user"
    world.do()
    assert len(world.jobs["embed"].done) == 1, "not before its time"
    for wait_s in (RETRY_AFTER_S, RETRY_AFTER_S * 2):
        world.clocks.pass_by(wait_s + 1)
        world.do()
    assert len(world.jobs["embed"].done) == 3
    live = world.rounds.board.live(None)
    assert live.state == "attention"
    assert "fails again and again" in live.attention[0]
    world.jobs["embed"].error = None
    world.rounds.forgive()
    world.do()
    assert world.rounds.board.live(None).attention == ()


def test_a_full_disk_calls_the_user_at_once_and_is_told_once(world: World) -> None:
    world.jobs["embed"].work = 1
    world.jobs["embed"].error = DiskFullError("The disk is full.", advice="Make room.")
    world.do()
    world.rounds.forgive()
    world.do()
    assert world.rounds.board.live(None).attention == ("The disk is full. Make room.",)
    assert names(world).count("disk.full") == 1
    world.jobs["embed"].work = 0
    world.do()
    assert world.rounds.board.live(None).attention == (), "there is nothing left that could fail"


def test_a_damaged_catalog_calls_the_user_and_says_what_to_do(world: World) -> None:
    world.jobs["score"].work = 1
    world.jobs["score"].error = world.jobs["integrity"].error = MALFORMED
    world.do()
    (sentence,) = world.rounds.board.live(None).attention
    assert sentence.startswith("The catalog is damaged.")
    assert "backup" in sentence
    assert "catalog.damaged" in names(world)


def test_in_a_damaged_catalog_nothing_is_done_but_checking_until_it_is_sound(world: World) -> None:
    world.jobs["retrain"].work = world.jobs["score"].work = world.jobs["write"].work = 1
    world.jobs["retrain"].error = MALFORMED
    world.jobs["integrity"].error = CatalogDamagedError("The catalog is damaged (page 7).", advice="Restore it.")
    world.do()
    assert world.done() == ["retrain", "integrity"], "what the others made of it would be wrong"
    assert world.jobs["integrity"].done == ["asked"], "whatever speaks against it"
    status = world.rounds.board.job("score")
    assert (status.state, status.why) == ("waiting", HELD)
    live = world.rounds.board.live(None)
    assert live.attention == (
        "The catalog is damaged (page 7). Restore it. Until then nothing is learned, scored or written.",
    )
    assert world.rounds.damage == "The catalog is damaged (page 7). Restore it.", "the api asks before it writes"
    assert names(world).count("catalog.damaged") == 2
    world.jobs["retrain"].error = None
    world.do()
    world.rounds.ask("write", "because")
    world.rounds.do()
    assert world.done() == ["retrain", "integrity"]
    assert world.rounds.board.job("write").last_failed, "who asks is told"
    world.desk.lookout.look_at_all(because="because of news")
    world.rounds.do()
    assert world.rounds.next_work_at() is None, "news are no reason to wake up"

    world.jobs["integrity"].error = None
    world.jobs["integrity"].work = 1
    world.rounds.ask("integrity", "because")
    world.rounds.forgive()
    world.rounds.do()
    assert world.rounds.board.live(None).attention == ()
    assert world.rounds.damage == ""
    world.do()
    assert world.done() == ["retrain", "score", "write", "integrity"]


def test_damage_is_remembered_over_a_restart_and_checked_before_all_else(world: World) -> None:
    world.rounds.ask("integrity", "because")
    world.jobs["integrity"].error = CatalogDamagedError("The catalog is damaged.")
    world.rounds.do()
    again = Rounds(
        world.desk, world.pauses, Schedule(), lambda _: None,
        machine=world.machine, jobs=tuple(world.jobs.values()),
    )  # fmt: skip
    world.jobs["reconcile"].work = world.jobs["write"].work = 1
    again.do()
    assert world.done() == ["integrity"]
    assert world.jobs["integrity"].done == ["asked", "asked"]


def test_a_check_in_a_damaged_catalog_makes_no_way_for_news_that_nobody_looks_at(world: World) -> None:
    world.rounds.ask("integrity", "because")
    world.jobs["integrity"].error = CatalogDamagedError("The catalog is damaged.")
    world.rounds.do()
    world.jobs["integrity"].error = None
    world.jobs["integrity"].work = 1
    world.news = True
    world.jobs["integrity"].during = lambda: world.clocks.pass_by(LISTENS_AFTER_S + 1)
    world.clocks.pass_by(RETRY_AFTER_S + 1)
    world.do()
    assert world.rounds.board.live(None).attention == ()


@pytest.mark.parametrize("name", ["integrity", "backup"])
@pytest.mark.parametrize("news", [True, False])
def test_what_begins_anew_when_cut_comes_to_its_end_all_the_same(world: World, name: str, news: bool) -> None:
    job, world.news = world.jobs[name], news
    cuts: list[bool] = []

    def an_hour() -> None:
        for _ in range(3600):
            world.clocks.pass_by(1)
            if world.desk.cut():
                break
        cuts.append(world.desk.cut())

    job.during = an_hour
    for _ in range(2):
        job.work = 1
        while job.work:
            world.clocks.pass_by(AT_A_STRETCH_S)
            world.do()
            assert len(cuts) < 10, "it begins anew for ever"
        assert cuts.count(False) == 1
        assert cuts[0], "at first it makes way soon"
        cuts.clear()


def test_what_made_way_for_a_person_still_makes_way_for_news_soon(world: World) -> None:
    job = world.jobs["integrity"]
    job.work = 1
    job.during = lambda: world.rounds.ask("retrain", "because")
    for _ in range(6):
        world.do()
    assert job.done == ["due"] * 6
    world.news = True
    job.during = lambda: world.clocks.pass_by(LISTENS_AFTER_S + 1)
    world.do()
    assert job.work == 1, "it was cut, and not only after half an hour"


def test_what_is_cut_and_what_fails_for_weeks_breaks_nothing(world: World) -> None:
    world.rounds._cuts["integrity"] = world.rounds._failures["reconcile"] = 5000
    world.jobs["integrity"].work = world.jobs["reconcile"].work = 1
    world.jobs["reconcile"].error = OSError("the share does not answer")
    world.do()
    assert world.jobs["integrity"].work == 0
    world.clocks.pass_by(RETRY_AFTER_S + 1)
    world.jobs["reconcile"].error = None
    world.do()
    assert world.jobs["reconcile"].work == 0


def test_progress_is_shown_at_once_and_told_once_a_second(world: World) -> None:
    shown: list[str] = []

    def embed() -> None:
        for number in range(1, 6):
            world.desk.session.reporter.progress(Progress("embed", number * 10, 3400))
            shown.append(world.rounds.board.live(None).sentence)

    world.jobs["embed"].work = 1
    world.jobs["embed"].during = embed
    heard: list[Event] = []
    with world.events.heard_by(heard.append):
        world.do()
    told = [event.name for event in heard]
    assert shown[0] == "Embedding 10 of 3,400 photos."
    assert shown[-1] == "Embedding 50 of 3,400 photos."
    assert told.count("job.progress") == 1
    assert "job.progress" not in names(world), "what is kept is kept for what matters"
    live = world.rounds.board.live(None)
    assert live.progress is None
    assert live.state == "idle"


def test_it_says_no_number_before_it_has_counted(world: World) -> None:
    assert world.rounds.board.live(None).sentence == "Idle: about to look at all folders."
    world.do()
    assert world.rounds.board.live(None).sentence.startswith("Idle: 0 photos up to date")


def test_a_paused_daemon_says_until_when(world: World) -> None:
    world.pauses.begin(ALL, world.clocks.wall() + 1800)
    live = world.rounds.board.live(None)
    until = datetime.fromtimestamp(world.clocks.wall() + 1800).strftime("%H:%M")
    assert (live.state, live.sentence) == ("paused", f"Paused until {until}.")
    assert {one.state for one in live.jobs} == {"paused"}
    assert live.paused_until == world.clocks.wall() + 1800

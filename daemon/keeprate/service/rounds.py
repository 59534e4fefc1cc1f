"""A round: every job in its order, if there is work for it and nothing speaks against it.

Looks after everything around a job: whether it rests or has to wait, what it came to, when it is tried again.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from keeprate.catalog import files
from keeprate.catalog import jobs as job_records
from keeprate.catalog.connection import translated
from keeprate.catalog.jobs import ALL, JobRecord
from keeprate.errors import CatalogDamagedError, DiskFullError, KeeprateError
from keeprate.service.board import Board
from keeprate.service.conditions import Machine, ThisMachine, ask_again_after, why_not_now
from keeprate.service.control import HEAVY_JOBS, JOB_TITLES
from keeprate.service.jobs.all import all_jobs
from keeprate.service.jobs.job import Desk, Done, Job
from keeprate.service.pauses import Pauses
from keeprate.service.schedule import Schedule
from keeprate.service.wishes import Wish
from keeprate.service.wording import progress_sentence, time_of_day
from keeprate.steps.session import Progress
from keeprate.steps.worker_client import WorkerStoppedError

RETRY_AFTER_S = 60.0
"""After a job failed as a whole it is tried again so much later; twice as much later after each further failure …"""
LONGEST_RETRY_S = 3600.0
"""… but not more than this."""
ATTENTION_AFTER = 3
"""Failures in a row before the user is told."""
AT_A_STRETCH_S = 300.0
"""So long one job goes on before the others have their turn, and before it is asked again whether it may."""
LISTENS_AFTER_S = 30.0
"""A job that goes on for longer than this makes way for news: what the user does is noticed soon all the same."""
PROGRESS_EVERY_S = 1.0
CHECK = "integrity"
"""The only job that goes on in a catalog that is damaged: what others make of it would be wrong, or lost with it."""
DAMAGE = "damage"
"""What waits for the user under this key: a damaged catalog."""
HELD = "The catalog is damaged: until a check finds it sound, nothing is looked at, learned, scored or written."
CUTTABLE = frozenset({"embed", "thumbnails", "integrity", "backup"})
"""Jobs that lose nothing, or little, when they are cut; a training would begin anew."""
ANEW = frozenset({"integrity", "backup"})
"""Those of them that begin at the beginning again: each cut lets them go on for twice as long, to their end …"""
MOST_DOUBLINGS = 10
"""… but not more often than this, which is for days. Also how often a failure doubles what is waited after it."""

log = logging.getLogger("keeprate")


class _Heavy:
    """What speaks against heavy work in one round: looked at when first asked, for a look takes a second."""

    def __init__(self, desk: Desk, machine: Machine) -> None:
        self._desk = desk
        self._machine = machine
        self._known: dict[bool, str | None] = {}

    def why_not(self, *, waited_s: float) -> str | None:
        settings = self._desk.session.config.jobs
        impatient = waited_s >= settings.patience.total_seconds()
        if impatient not in self._known:
            now = datetime.fromtimestamp(self._desk.clocks.wall())
            self._known[impatient] = why_not_now(settings, now, self._machine, waited_s=waited_s)
        return self._known[impatient]


class Rounds:
    """Does the jobs of a desk; in the engine's thread, but for `ask`, `must_yield` and `board`."""

    def __init__(
        self,
        desk: Desk,
        pauses: Pauses,
        schedule: Schedule,
        wish: Callable[[Wish], None],
        *,
        machine: Machine | None = None,
        jobs: Sequence[Job] | None = None,
        on_sentence: Callable[[str, bool], None] = lambda _sentence, _passing: None,
    ) -> None:
        self._desk = desk
        self._pauses = pauses
        self._schedule = schedule
        self._wish = wish
        self._machine = machine or ThisMachine()
        self.board = Board(job_records.all_jobs(desk.session.catalog), pauses, desk.clocks, on_sentence=on_sentence)
        self._jobs = tuple(jobs) if jobs is not None else all_jobs(desk, self.board)
        self._damage = ""
        """What is known of damage to the catalog."""
        self._catch_up = True
        """Whether some job may have something to do."""
        self._asked: dict[str, str] = {}
        """Job → why a person wants it done."""
        self._asked_lock = threading.Lock()
        self._running: Job | None = None
        self._running_asked = False
        self._began = self._round_ended = desk.clocks.steady()
        self._told_progress_at = 0.0
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        """Job → when it is tried again (steady clock)."""
        self._waiting_since: dict[str, float] = {}
        self._cuts: dict[str, int] = {}
        """Job of `ANEW` → how often it was cut for news or turns since it last came to its end."""
        self._yielded = False
        """Whether the present step was told to make room for news or turns."""
        if self.board.job(CHECK).last_failed:
            self.ask(CHECK, "The last check failed.")

    @property
    def damage(self) -> str:
        """What is known of damage to the catalog; may be asked from any thread."""
        return self._damage

    # ---- what there is to do ----

    def ask(self, name: str, because: str) -> None:
        """Have a job done whatever speaks against it."""
        with self._asked_lock:
            self._asked[name] = because

    def catch_up(self) -> None:
        """Ask every job whether it has something to do."""
        self._catch_up = True

    def forgive(self) -> None:
        """Forget failures: what they came from may be over."""
        self._not_before.clear()

    def next_work_at(self) -> float | None:
        """When there will be something to do (steady clock); None: when something happens."""
        now = self._desk.clocks.steady()
        if self._asked:
            return now
        if self._pauses.of(ALL) is not None:
            return None
        if self._catch_up:
            return now
        if self._damage or self._pauses.of("reconcile") is not None:
            return None
        due_at = self._desk.lookout.next_due_at()
        return None if due_at is None else max(due_at, self._not_before.get("reconcile", 0.0))

    def set_timers(self) -> None:
        """Wake up when a pause ends, or when a job is due by the clock."""
        statuses = [self.board.job(job.name) for job in self._jobs if job.name != "reconcile"]  # that has its own timer
        moments = [one.next_at for one in statuses if one.next_at is not None]
        if (end := self._pauses.next_end()) is not None:
            moments.append(end)
        if moments:
            now = self._desk.clocks.wall()
            self._schedule.at("due", max(now + 0.5, min(moments)), lambda: self._wish(Wish.CATCH_UP))

    def must_yield(self, *, wished: bool) -> bool:
        """Whether the present step shall make room: for what a person asked for, for news, because it rests.

        `wished`: something waits to be taken in by the engine.
        """
        job = self._running
        if job is None or self._running_asked:
            return False
        if self._pauses.holds(job.name) is not None:
            return True
        if job.name not in CUTTABLE:
            return False
        going_on_s = (self._desk.clocks.steady() - self._began) / 2 ** min(self._cuts.get(job.name, 0), MOST_DOUBLINGS)
        news = wished or self._would_look()
        news = news and not self._damage  # nobody would look at it
        self._yielded |= going_on_s > AT_A_STRETCH_S or (news and going_on_s > LISTENS_AFTER_S)
        return bool(self._asked) or self._yielded

    def _would_look(self) -> bool:
        """Whether folders are to be looked at, and would be if the present step made room."""
        held = self._pauses.holds("reconcile") is not None
        later = self._not_before.get("reconcile", 0.0) > self._desk.clocks.steady()
        return self._desk.lookout.is_due() and not held and not later

    # ---- a round ----

    def do(self) -> None:
        """Every job once that has something to do; those that a person asked for first."""
        catching_up, self._catch_up = self._catch_up, False
        heavy = _Heavy(self._desk, self._machine)
        with self._asked_lock:
            if "retrain" in self._asked:  # from what lies there now, also if it was moved a moment ago or in a pause
                self._asked.setdefault("reconcile", "Learning was asked for, from what lies in the folders now.")
            first = set(self._asked)
        for job in sorted(self._jobs, key=lambda one: one.name not in first):
            if self._desk.session.reporter.cancelled():
                self._catch_up |= catching_up
                return
            if self._pauses.look(self._desk.session.catalog):
                self.board.pauses_changed()
            with self._asked_lock:
                asked = self._asked.pop(job.name, None)
            done = None
            if asked is not None:
                done = self._run(job, asked, asked=True)
            elif catching_up or job.name == "reconcile":
                done = self._consider(job, heavy)
            if done is not None and done.cut:
                self._catch_up = True
                if self._desk.clocks.steady() - self._round_ended < AT_A_STRETCH_S:
                    return  # there is news: begin at the top
            catching_up |= done is not None and (done.did_something or asked is not None)
        self._round_ended = self._desk.clocks.steady()
        self._tell_of_libraries()
        self.set_timers()

    def _consider(self, job: Job, heavy: _Heavy) -> Done | None:
        """Do a job if it has work, and say why not otherwise; None: it was not done."""
        desk, name = self._desk, job.name
        if self._pauses.holds(name) is not None:
            return None
        if self._damage and name != CHECK:
            self.board.waiting(name, HELD)
            return None
        try:
            why = job.wanted()
        except Exception as error:  # the catalog is damaged, for one
            self._failed(job, error)
            return None
        if why is None:
            if name in self._failures:
                self._overcome(name)
            self._be_idle(job)
            return None
        wait_s = self._not_before.get(name, 0.0) - desk.clocks.steady()
        if wait_s > 0:
            again_at = desk.clocks.wall() + wait_s
            self.board.waiting(name, f"It failed, and is tried again at {self._clock(again_at)}.", again_at)
            return None
        if name in HEAVY_JOBS:
            since = self._waiting_since.get(name, desk.clocks.steady())
            why_not = heavy.why_not(waited_s=desk.clocks.steady() - since)
            if why_not is not None:
                self._wait(job, why_not)
                return None
        return self._run(job, why, asked=False)

    def _be_idle(self, job: Job) -> None:
        self._waiting_since.pop(job.name, None)  # not before: impatience lasts until the work is done
        later = job.later()
        if later is not None:
            self.board.idle(job.name, later.why, later.at)
        else:
            self.board.idle(job.name, next_at=self._schedule.next_at("scan") if job.name == "reconcile" else None)

    def _overcome(self, name: str) -> None:
        """A job that failed does not any more."""
        self._failures.pop(name, None)
        self._not_before.pop(name, None)
        self.board.attention(name, "")

    def _wait(self, job: Job, why_not: str) -> None:
        clocks = self._desk.clocks
        self._waiting_since.setdefault(job.name, clocks.steady())
        now = datetime.fromtimestamp(clocks.wall())
        again_at = clocks.wall() + ask_again_after(self._desk.session.config.jobs, now).total_seconds()
        if self.board.waiting(job.name, why_not, again_at):
            self._desk.events.tell("job.waiting", f"{JOB_TITLES[job.name]}: later. {why_not}", job=job.name)
        self._schedule.at("ask again", again_at, lambda: self._wish(Wish.CATCH_UP))

    def _run(self, job: Job, why: str, *, asked: bool) -> Done | None:
        """Do a job; None: it failed."""
        desk = self._desk
        started_at = desk.clocks.wall()
        self._began, self._told_progress_at = desk.clocks.steady(), 0.0
        self._running, self._running_asked, self._yielded = job, asked, False
        self.board.begin(job.name, why)
        desk.events.tell("job.started", f"{JOB_TITLES[job.name]}: {why}", level=logging.DEBUG, job=job.name)
        try:
            done = self._do(job, asked=asked)
        except WorkerStoppedError:
            done = Done("It was cut short.", did_something=False, cut=True)
        except Exception as error:  # whatever fails, the daemon lives and tries again
            self._failed(job, error, started_at)
            return None
        finally:
            self._running = None
        if job.name in ANEW and (self._yielded or not done.cut):
            self._cuts[job.name] = self._cuts.get(job.name, 0) + 1 if done.cut else 0
        if asked and not done.cut:
            done = replace(done, did_something=True)  # who asked wants to know what came of it
        self._succeeded(job, done, started_at)
        if asked and done.cut:
            self.ask(job.name, why)  # it made way; it is not forgotten
        return done

    def _do(self, job: Job, *, asked: bool) -> Done:
        if self._damage and job.name != CHECK:
            raise CatalogDamagedError(self._damage)
        return job.do_asked() if asked else job.do()

    def _succeeded(self, job: Job, done: Done, started_at: float) -> None:
        desk = self._desk
        if not done.cut or done.did_something:
            self._overcome(job.name)
            if job.name == CHECK and not done.cut:
                self._damage = ""
                self.board.attention(DAMAGE, "")
            if done.attention:
                self.board.attention(job.name, done.attention)
        record = None
        if done.did_something:
            record = self._remember(job.name, started_at, done.sentence, failed=False)
        self.board.end(job.name, record=record)
        if done.cut:
            self.board.waiting(job.name, "It made way for something else and goes on in a moment.")
        else:
            self._be_idle(job)
        if done.did_something:  # told last: who waits for it then asks how things stand
            sentence = f"{JOB_TITLES[job.name]}: {done.sentence}"
            desk.events.tell("job.finished", sentence, level=logging.DEBUG, job=job.name, cut=done.cut)
        if done.again_in_s is not None:
            moment = desk.clocks.wall() + done.again_in_s
            self._schedule.at(f"again {job.name}", moment, lambda: self._wish(Wish.CATCH_UP))

    def _failed(self, job: Job, error: Exception, started_at: float | None = None) -> None:
        desk, name = self._desk, job.name
        if isinstance(error, sqlite3.Error):
            error = translated(error, desk.session.home.catalog_file)
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        longest = RETRY_AFTER_S if name == "reconcile" else LONGEST_RETRY_S  # one library keeps all others waiting
        wait_s = min(longest, RETRY_AFTER_S * 2 ** min(failures - 1, MOST_DOUBLINGS))
        self._not_before[name] = desk.clocks.steady() + wait_s
        again_at = desk.clocks.wall() + wait_s
        self._schedule.at(f"retry {name}", again_at, lambda: self._wish(Wish.CATCH_UP))
        if isinstance(error, KeeprateError):
            where = f" {error.path}" if error.path else ""
            sentence = f"{error.what}{where} {error.advice}".strip()
        else:
            sentence = f"Unexpected error: {type(error).__name__}: {error}."
            log.error("%s", sentence, exc_info=error)
        shown = f"{JOB_TITLES[name]}: {sentence}"
        desk.events.tell("job.failed", shown, level=logging.ERROR, job=name, failures=failures)
        self._tell_user(name, error, sentence, failures)
        now = desk.clocks.wall()
        record = self._remember(name, now if started_at is None else started_at, sentence, failed=True)
        self.board.end(name, record=record)
        self.board.waiting(name, f"It failed, and is tried again at {self._clock(again_at)}.", again_at)

    def _tell_user(self, name: str, error: Exception, sentence: str, failures: int) -> None:
        """What does not go away by itself waits for the user."""
        if isinstance(error, DiskFullError):
            if self.board.attention(name, sentence):
                self._desk.events.tell("disk.full", sentence, level=0, job=name)
        elif isinstance(error, CatalogDamagedError):
            if name != CHECK and not self._damage:
                self.ask(CHECK, f"{JOB_TITLES[name]} met damage.")
            if name == CHECK or not self._damage:  # the check says more than who has come upon it
                self._damage = sentence
            if self.board.attention(DAMAGE, f"{self._damage} Until then nothing is learned, scored or written."):
                self._desk.events.tell("catalog.damaged", self._damage, level=0, job=name)
        elif failures >= ATTENTION_AFTER:
            self.board.attention(name, f"{JOB_TITLES[name]} fails again and again: {sentence}")

    def _remember(self, name: str, started_at: float, outcome: str, *, failed: bool) -> JobRecord:
        """Write down what a run came to; on a full disk it is at least shown."""
        finished_at = self._desk.clocks.wall()
        with contextlib.suppress(sqlite3.Error):
            job_records.record_run(
                self._desk.session.catalog, name,
                started_at=started_at, finished_at=finished_at, outcome=outcome, failed=failed,
            )  # fmt: skip
        return JobRecord(name, started_at, finished_at, outcome, failed)

    # ---- telling ----

    def take_progress(self, progress: Progress) -> None:
        """Show how far the present step is."""
        job, now = self._running, self._desk.clocks.steady()
        if job is None:
            return
        self.board.progress(progress)
        if now - self._told_progress_at >= PROGRESS_EVERY_S:
            self._told_progress_at = now
            self._desk.events.tell(
                "job.progress", progress_sentence(job.name, progress), level=0,
                job=job.name, step=progress.step, done=progress.done, total=progress.total,
            )  # fmt: skip

    def _tell_of_libraries(self) -> None:
        session = self._desk.session
        with contextlib.suppress(sqlite3.Error):
            counts = [files.counts(session.catalog, library.name).photos for library in session.config.library]
            self.board.up_to_date(sum(counts))
        self.board.next_at("reconcile", self._schedule.next_at("scan"))

    def _clock(self, moment: float) -> str:
        return time_of_day(moment, self._desk.clocks.wall())

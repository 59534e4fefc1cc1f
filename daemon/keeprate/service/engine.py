"""The engine: one thread that owns the catalog and does the jobs, one after another, whenever there is work.

Timers, watches, signals and the api only put wishes into its queue; nothing wakes up while nothing happens. Work is a
query on the catalog and never a queue in memory, so that every step can be cut anywhere.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from keeprate.catalog.jobs import ALL
from keeprate.config.models import Config
from keeprate.errors import BusyError, KeeprateError, UsageError
from keeprate.service.board import Board
from keeprate.service.clocks import Clocks, MachineClocks
from keeprate.service.control import JOB_TITLES, Live, WorkerStatus
from keeprate.service.events import Events
from keeprate.service.jobs.job import Desk
from keeprate.service.lookout import Lookout
from keeprate.service.notify import Notifier
from keeprate.service.pauses import Pauses
from keeprate.service.reloading import read_again
from keeprate.service.rounds import RETRY_AFTER_S, Rounds
from keeprate.service.schedule import Schedule
from keeprate.service.wishes import Leap, Wish
from keeprate.service.wording import for_a_while, paused_sentence
from keeprate.steps.lock import hold_lock, lock_holder
from keeprate.steps.memory import give_back
from keeprate.steps.session import Progress, Reporter, Session
from keeprate.steps.worker_client import WorkerClient
from keeprate.watching.hints import Change, Hint

log = logging.getLogger("keeprate")

AFTER_ERROR_S = 5.0
STAND_BACK_S = 2.0
"""So long the work lock is left to who asked for it."""
LOCKED_S = 0.5
"""How often it is tried to get the work lock while there is work and another process holds it."""


class Engine:
    """Does the work of the daemon in the thread that calls `run`; satisfies `control.Control`."""

    def __init__(
        self,
        session: Session,
        *,
        events: Events | None = None,
        clocks: Clocks | None = None,
        notifier: Notifier | None = None,
        before_work: Callable[[], object] = lambda: None,
    ) -> None:
        """`before_work` is called in the engine's thread whenever it wakes up: to look after what is beside it."""
        self._before_work = before_work
        self._events = events or Events()
        self._clocks = clocks or MachineClocks()
        # SimpleQueue: nothing that is put can wait for a lock
        self._wishes: queue.SimpleQueue[Wish | Leap | Change] = queue.SimpleQueue()
        self._notifier = notifier or Notifier({})
        self._stopping = threading.Event()
        self._pauses = Pauses(session.home, self._clocks)
        self._pauses.read(session.catalog)
        self._schedule = Schedule()
        self.pulse = 0
        """Counts up with everything that shows that the engine goes on."""
        self._resting = False
        self._deaf = False
        """Whether the folders of the present settings could not be watched."""
        self._stand_back_until = 0.0
        self._asked_to_make_way = threading.Event()
        self._worker = WorkerClient(background=True, config=lambda: self.config, tell=self._events.tell)
        session = Session(
            session.home, session.config, session.catalog, Reporter(self._take_progress, self._is_cancelled)
        )
        self._desk = Desk(session, self._worker, self._new_lookout(session), self._events, self._clocks)
        self._rounds = Rounds(self._desk, self._pauses, self._schedule, self._wishes.put, on_sentence=self._say)
        self._board = self._rounds.board

    # ---- Control: from any thread ----

    @property
    def events(self) -> Events:
        return self._events

    @property
    def config(self) -> Config:
        return self._desk.session.config

    @property
    def damage(self) -> str:
        return self._rounds.damage

    def live(self) -> Live:
        pid = self._worker.pid
        worker = None if pid is None else WorkerStatus(pid, self._worker.memory, self._worker.device)
        return self._board.live(worker)

    def run_job(self, name: str, *, because: str) -> None:
        _check(name)
        self._rounds.ask(name, because)
        self._wishes.put(Wish.WAKE)

    def pause(self, name: str | None = None, *, until: float | None = None) -> None:
        if name is not None:
            _check(name)
        self._pauses.begin(name or ALL, until)
        what = "Everything" if name is None else f"“{JOB_TITLES[name]}”"
        sentence = paused_sentence(until, self._clocks.wall())
        self._events.tell("job.paused", f"{what} is {sentence[:1].lower()}{sentence[1:]}", job=name or ALL, until=until)
        self._board.pauses_changed()
        self._wishes.put(Wish.WAKE)

    def resume(self, name: str | None = None) -> None:
        if name is not None:
            _check(name)
        self._pauses.end(name)
        what = "All work but jobs that are paused by themselves" if name is None else f"“{JOB_TITLES[name]}”"
        self._events.tell("job.resumed", f"{what} goes on.", job=name or ALL)
        self._board.pauses_changed()
        self._wishes.put(Wish.CATCH_UP)

    def make_way(self, who: str) -> None:
        self._stand_back_until = self._clocks.steady() + STAND_BACK_S
        self._asked_to_make_way.set()
        self._events.tell("work.made_way", f"The daemon makes way for {who}.", who=who)
        self._wishes.put(Wish.WAKE)

    def catalog_changed(self) -> None:
        self._stand_back_until = 0.0
        self._wishes.put(Wish.CATALOG_CHANGED)

    def reload(self) -> None:
        self._wishes.put(Wish.RELOAD)

    def stop(self) -> None:
        self._stopping.set()
        self._wishes.put(Wish.WAKE)

    def clock_leapt(self, by_s: float) -> None:
        """Think over everything that was to happen at a time."""
        self._wishes.put(Leap(by_s))

    @property
    def is_resting(self) -> bool:
        """Whether the engine waits for something to do: then there is nothing that could be stuck."""
        return self._resting

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid

    @property
    def board(self) -> Board:
        return self._board

    # ---- the engine's own thread ----

    def start(self) -> None:
        """Begin to watch; returns when the watches stand."""
        self._watch()
        self._schedule.start()
        self._board.phase("idle")

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            self.pulse += 1
            try:
                self._work()
                self._wait()
            except Exception:  # whatever fails, the daemon lives
                log.exception("Unexpected error; the daemon goes on.")
                self._stopping.wait(AFTER_ERROR_S)

    def close(self) -> None:
        """End everything that `start` and `run` began."""
        self._board.phase("stopping")
        self._schedule.stop()
        self._desk.lookout.stop()
        self._worker.close()

    def _watch(self) -> None:
        """Begin to watch, and look at everything once: what happened before, no watch can tell."""
        for status in self._desk.lookout.start():
            advice = f" {status.advice}" if status.advice else ""
            log.info("%s: %s%s", status.library, status.sentence, advice)
        self._desk.lookout.look_at_all(because="because it has just begun to be watched")
        self._set_timers()

    def _set_timers(self) -> None:
        watching = self._desk.session.config.watching
        self._schedule.every("scan", watching.rescan_every, lambda: self._wishes.put(Wish.SCAN), jitter=True)
        self._schedule.every("roots", watching.check_roots_every, self._desk.lookout.check_roots)
        self._rounds.set_timers()

    def _new_lookout(self, session: Session) -> Lookout:
        return Lookout(session, self._wishes.put, self._clocks)

    def _wait(self) -> None:
        """Sleep until something is wished for or due, then take in everything that has come."""
        timeout = 0.0 if self._stopping.is_set() else self._sleep_s()
        self._resting = timeout is None or timeout > 0
        try:
            wish = self._wishes.get(timeout=timeout) if timeout != 0 else self._wishes.get_nowait()
            while True:
                self._take(wish)
                wish = self._wishes.get_nowait()
        except queue.Empty:
            pass
        finally:
            self._resting = False

    def _sleep_s(self) -> float | None:
        """Seconds until something is due by itself; None: for ever. Timers have their own thread."""
        now = self._clocks.steady()
        due = []
        work_at = self._rounds.next_work_at()
        if work_at is not None:
            due.append(max(work_at, self._stand_back_until) - now)
        idle = self._worker.idle_for()
        if idle is not None:
            due.append(self._desk.session.config.embedding.idle_exit.total_seconds() - idle)
        return max(0.01, min(due)) if due else None

    def _take(self, wish: Wish | Leap | Change) -> None:
        match wish:
            case Wish.SCAN:
                self._reload_workspace()
                self._desk.lookout.look_at_all(because="because it is time to")
                self._rounds.catch_up()  # a model may have been activated, or a head rolled back, meanwhile
            case Wish.CATCH_UP:
                self._rounds.catch_up()
            case Wish.CATALOG_CHANGED:
                self._pauses.read(self._desk.session.catalog)
                self._desk.marks_stale = True
                self._reload_workspace()
                self._rounds.forgive()
                self._rounds.catch_up()
            case Wish.RELOAD:
                self._notifier.reloading()
                try:
                    self._reload()
                finally:
                    self._notifier.ready()
            case Wish.WAKE:
                self._rounds.set_timers()
            case Leap(by_s):
                self._leap(by_s)
            case _:
                if isinstance(wish, Hint) and wish.is_folder:
                    self._reload_workspace(wish.path)
                self._desk.lookout.take(wish)

    def _leap(self, by_s: float) -> None:
        direction = "ahead" if by_s > 0 else "back"
        sentence = f"The clock has leapt {direction} by {for_a_while(abs(by_s))}: everything is looked at."
        self._events.tell("clock.leapt", sentence, seconds=round(by_s))
        self._pauses.clock_leapt(by_s)
        self._schedule.clear()
        self._set_timers()
        if self._deaf:
            self._watch_later()
        self._desk.lookout.look_at_all(because="because the clock was set, or the machine slept")
        self._rounds.forgive()
        self._rounds.catch_up()

    # ---- the config ----

    def _reload_workspace(self, changed: str | None = None) -> None:
        """In a workspace folders are the config: a new head or bucket may be there, where `changed` is one."""
        workspace = self._desk.session.home.workspace
        if workspace is None:
            return
        if changed is not None and workspace / "heads" not in Path(changed).parents[:2]:
            return  # some other folder, beside or below
        self._reload(only_if_changed=True)

    def _reload(self, *, only_if_changed: bool = False) -> None:
        before = self._desk.session
        after = read_again(before, self._events, self._board)
        if after is None or (only_if_changed and after.config == before.config):
            return
        self._desk.session = after
        watched = self._deaf or (before.config.library, before.config.watching) != (
            after.config.library,
            after.config.watching,
        )
        if watched:
            self._desk.lookout.stop()
            self._desk.lookout = self._new_lookout(after)
            self._deaf = True
            self._watch_later()
            self._watch()
            self._deaf = False
        else:
            self._desk.lookout.look_at_all(because="because the settings were read again")
            self._set_timers()
        self._desk.marks_stale = True
        self._rounds.forgive()
        self._rounds.catch_up()
        self._events.tell("daemon.reloaded", "The settings were read again.", libraries=len(after.config.library))

    def _watch_later(self) -> None:
        """Try again, should the folders of the present settings not be watched by then."""
        self._schedule.at("watch", self._clocks.wall() + RETRY_AFTER_S, self._listen_again)

    def _listen_again(self) -> None:
        if self._deaf:
            self.reload()

    # ---- working ----

    def _work(self) -> None:
        """Everything that is due, under the work lock: held while there is work, and no longer."""
        self._asked_to_make_way.clear()
        self._before_work()
        if self._pauses.look(self._desk.session.catalog):
            self._board.pauses_changed()
            self._rounds.catch_up()
            self._rounds.set_timers()
        due_at = self._rounds.next_work_at()
        now = self._clocks.steady()
        if due_at is not None and due_at <= now and self._stand_back_until <= now:
            lock_file = self._desk.session.home.lock_file
            try:
                with hold_lock(lock_file):
                    self._board.blocked("")
                    self._rounds.do()
            except BusyError:
                self._board.attention("lock", "")
                pid = lock_holder(lock_file)
                self._board.blocked(f"Another keeprate is at work{'' if pid is None else f' (process {pid})'}.")
                self._stand_back_until = max(self._stand_back_until, now + LOCKED_S)
            except KeeprateError as error:
                self._board.attention("lock", f"{error.what} {error.path or ''}")
                self._stand_back_until = now + RETRY_AFTER_S
            else:
                self._board.attention("lock", "")
                self._desk.session.catalog.release_memory()
                give_back()
        idle = self._worker.idle_for()
        if idle is not None and idle >= self._desk.session.config.embedding.idle_exit.total_seconds():
            self._worker.close()

    def _is_cancelled(self) -> bool:
        """Whether the present step shall end at its next batch."""
        return (
            self._stopping.is_set()
            or self._asked_to_make_way.is_set()
            or self._rounds.must_yield(wished=not self._wishes.empty())
        )

    def _say(self, sentence: str, passing: bool) -> None:
        self._notifier.status(sentence, passing=passing)
        if (
            not passing
        ):  # jobs that did nothing tell nothing; whoever shows what the daemon does has to know all the same
            self._events.tell("daemon.changed", sentence, level=0)

    def _take_progress(self, progress: Progress) -> None:
        self.pulse += 1
        self._rounds.take_progress(progress)


def _check(name: str) -> None:
    if name not in JOB_TITLES:
        raise UsageError(f"There is no job called {name!r}.", advice=f"Known are: {', '.join(JOB_TITLES)}.")

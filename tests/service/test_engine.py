"""The engine where what it stands on fails."""

from __future__ import annotations

import pytest

from keeprate.config.edit import add_library
from keeprate.service import engine as engine_module
from keeprate.service.engine import Engine
from keeprate.steps.session import Session
from keeprate.watching.observer import LibraryObserver
from support.waiting import wait_until


def test_folders_that_could_not_be_watched_are_watched_in_the_end(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = LibraryObserver.start
    failures = iter([RuntimeError("can't start new thread")])
    watched: list[LibraryObserver] = []

    def start(self: LibraryObserver) -> None:
        for failure in failures:
            raise failure
        begins(self)
        watched.append(self)

    engine = Engine(session)
    engine.start()
    monkeypatch.setattr(LibraryObserver, "start", start)
    monkeypatch.setattr(engine_module, "RETRY_AFTER_S", 0.5)
    other = session.config.library[0].root.with_name("other")
    other.mkdir()
    add_library(session.home.config_file, {"name": "other", "root": str(other)})
    try:
        with pytest.raises(RuntimeError, match="new thread"):
            engine._reload()

        def again() -> bool:
            engine._wait()
            return bool(watched)

        wait_until(again, what="it is tried again by itself")
        assert [one.library for one in watched[0].statuses()] == ["camera", "other"]
        reloads = len(watched)
        engine._reload()
        assert len(watched) == reloads, "what is watched already is left alone"
    finally:
        engine.close()


def test_settings_that_make_no_sense_are_said_until_better_ones_are_read(session: Session) -> None:
    file = session.home.config_file
    good = file.read_text()
    engine = Engine(session)
    engine.start()
    try:
        for bad, correct in (("[watchnig]\n", "Correct it, "), ("[watching\n", "Correct that line. ")):
            file.write_text(bad)
            engine._reload()
            (sentence,) = engine.live().attention
            assert correct in sentence
            assert sentence.endswith(" After that, run `keeprate config reload`.")
        file.write_text(good)
        engine._reload()
        assert engine.live().attention == ()
    finally:
        engine.close()


def test_a_clock_that_leaps_meanwhile_does_not_keep_them_from_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: LibraryObserver) -> None:
        raise RuntimeError("can't start new thread")

    engine = Engine(session)
    engine.start()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(LibraryObserver, "start", refuse)
            engine._deaf = True
            with pytest.raises(RuntimeError, match="new thread"):
                engine._reload()
        engine._leap(3600.0)
        assert engine._schedule.next_at("watch") is not None
        engine._reload()
        engine._leap(3600.0)
        assert engine._schedule.next_at("watch") is None, "they are watched"
    finally:
        engine.close()

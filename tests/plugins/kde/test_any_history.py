"""Whatever happens to 200 files in whatever order: the user's values stand, are read back, and survive the undo."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keeprate.plugin_api import Change, JournalEntry, LibraryPlace, PhotoFile
from keeprate_kde import KdeManager, KdeSettings
from keeprate_kde.values import keywords_in, stars_in
from support.attributes import Killed, MemoryStore
from support.ordered import Journal, scored

RATING, TAGS, CLAIM = "user.baloo.rating", "user.xdg.tags", "user.keeprate.wrote"
USERS = {RATING: [b"1", b"3", b"5", b"7", b"9"], TAGS: [b"sea", b"dog,a/b", b"Score"]}
"""Values that keeprate never writes: one that is ours cannot be told from ours."""
NOTHING = {RATING: [None, b"0"], TAGS: [None, b""]}


@dataclass
class History:
    """One file, what keeprate does to it, and what the user alone would have made of it."""

    path: Path
    store: MemoryStore
    journal: Journal
    chance: random.Random
    users: dict[str, bytes | None] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    shut: set[str] = field(default_factory=set)
    """Channels whose value of ours the user has removed or replaced."""

    @property
    def kept(self) -> dict[str, bytes]:
        return self.store.at(self.path)

    def begin(self) -> None:
        for name in (RATING, TAGS):
            value = self.chance.choice([*NOTHING[name], *USERS[name][:1]])
            self.users[name] = value
            if value is not None:
                self.kept[name] = value

    def step(self) -> None:
        action = self.chance.choice(
            [self.score, self.score, self.score, self.killed, self.sets, self.removes, self.drops]
        )
        self.did.append(action.__name__)
        action()
        self.check()

    def score(self, kill_in: int | None = None) -> None:
        settings = KdeSettings(stars=self.chance.random() < 0.9, tags=self.chance.random() < 0.8)
        manager = KdeManager(self.journal.library, settings, self.store)
        item = scored(self.path, self.chance.random(), label=self.chance.choice([None, None, None, "keep"]))
        for change in manager.plan(self.journal.request([item])):
            if isinstance(change, Change):
                entry = JournalEntry(change.path, change.field, change.before, change.after, (self.path,))
                self.store.kill_in = kill_in
                with suppress(Killed):
                    manager.apply(change)
                self.store.kill_in = None
                if manager.standing(entry) != entry.before:
                    self.journal.entries.append(entry)

    def killed(self) -> None:
        self.score(kill_in=self.chance.randrange(5))

    def sets(self) -> None:
        name = self.chance.choice([RATING, TAGS])
        value = self.chance.choice(USERS[name])
        self._shut_if_ours(name)
        self.users[name] = self.kept[name] = value

    def removes(self) -> None:
        name = self.chance.choice([RATING, TAGS])
        self._shut_if_ours(name)
        self.users[name] = None
        self.kept.pop(name, None)

    def drops(self) -> None:
        """Another program writes the file anew, without its attributes."""
        for name in (RATING, TAGS):
            self._shut_if_ours(name)
            self.users[name] = None
        self.kept.clear()

    def check(self) -> None:
        for name in (RATING, TAGS):
            if self.users[name] not in NOTHING[name] or name in self.shut:
                assert self.kept.get(name) == self.users[name], name
        manager = KdeManager(self.journal.library, KdeSettings(), self.store)
        marks = manager.read_marks(PhotoFile(self.path, f"test:{self.path}"), self.journal.last_written)
        assert marks.rating == stars_in(self.users[RATING] or b"")
        assert marks.keywords == keywords_in(self.users[TAGS] or b"")

    def undo(self) -> None:
        self.journal.undo_all(KdeManager(self.journal.library, KdeSettings(), self.store))
        left = {name: value for name, value in self.kept.items() if value not in NOTHING.get(name, [])}
        assert left == {name: value for name, value in self.users.items() if value not in NOTHING[name]}

    def _shut_if_ours(self, name: str) -> None:
        is_ours = self.kept.get(name) not in [*NOTHING[name], self.users[name]]
        if is_ours and b"?" not in self.kept[CLAIM]:  # while a killed write is not mended, a gap counts as the kill's
            self.shut.add(name)


@pytest.mark.parametrize("seed", range(4))
def test_the_users_values_stand_whatever_happens(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(50):
        path = tmp_path / f"{number}.jpg"
        path.touch()
        journal = Journal(LibraryPlace("camera", tmp_path))
        history = History(path, MemoryStore(), journal, random.Random(chance.random()))
        history.begin()
        for _ in range(chance.randrange(1, 15)):
            history.step()
        history.undo()

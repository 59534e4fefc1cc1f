"""The contract between keeprate and a photo manager: the only module of keeprate's core that a plugin needs.

A *photo manager* brings scores to one way that people look at photos (XMP, a view folder, a playlist …). It is a
class registered under the entry-point group `keeprate.photo_managers`; the entry point's name is the name of its
section in the config (`[library.marks.NAME]`).

Who does what
    1. keeprate SHALL hand the photo manager the scored photos of one library (`MarkRequest`), best first.
    2. `plan` SHALL yield a `Change` for everything that would change and SHALL change nothing itself; for what
       it leaves alone for a reason that a person would ask about, it SHOULD yield `Skipped`.
    3. keeprate SHALL write each change into the journal before `apply` is called, and close the entry after it.
    4. `apply` SHALL make the change atomically, SHALL verify that `change.before` still stands, and SHALL raise
       `MarkRefusedError` if it does not, leaving everything as it was.
    5. `undo` SHALL take back what keeprate wrote and nothing else; if others have changed the place since, it
       SHALL remove only what is still ours.
    6. A photo manager SHALL NOT delete, move or rename a photo, and SHALL NOT change a value that the user set.
    7. One that can read what a person says in its places (stars, rejects, colours, keywords) sets `reads_marks`;
       keeprate asks it for every photo file whose places have changed, in every library, whether or not the config
       names it. `read_marks` SHALL tell the user's values only, and SHALL NOT change anything.

This module imports the standard library only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

ENTRY_POINT_GROUP = "keeprate.photo_managers"

LastWritten = Callable[[Path, str], bytes | None]
"""(path, field) -> the `after` of the latest standing journal entry for that place, or None."""


BeforeUs = Callable[[str, str], bytes | None]
"""(content key, field) -> what stood there before keeprate first wrote to that photo, or None if nobody knows."""


class MarkRefusedError(Exception):
    """The change was not made, for a reason that a person can read; everything stands as it stood."""


@dataclass(frozen=True, slots=True)
class LibraryPlace:
    """The library that a photo manager works for."""

    name: str
    root: Path


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file of a photo, and the key of the picture in it."""

    path: Path
    content_key: str


class Channel(StrEnum):
    """What viewers show of a mark, wherever it is stored."""

    RATING = "rating"
    """`-1` (rejected), `1` … `5`."""
    COLOUR = "colour"
    """The English name, or what else stands there."""
    PICK = "pick"
    """`accepted`, `rejected`, `pending`."""
    KEYWORD = "keyword"
    """One keyword, its parents before it with `|` between."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value that viewers show and may carry elsewhere."""

    channel: Channel
    value: str


@dataclass(frozen=True, slots=True)
class UserMarks:
    """What a person said about one photo in the places that one photo manager reads.

    What keeprate wrote there and still stands is left out; so is what says nothing (0 stars).
    """

    rating: int | None = None
    """-1 (rejected) or 1–5."""
    colour: str | None = None
    """A colour label: `Red`, `Yellow`, `Green`, `Blue`, `Purple` …, or the text that stands there."""
    pick: str | None = None
    """A flag: `accepted`, `rejected` or `pending`."""
    keywords: tuple[str, ...] = ()
    """Sorted, each once; parents of a hierarchical one before it with `|` between."""
    of_keys: tuple[str, ...] = ()
    """Content keys of other pictures that what keeprate once wrote into these places names: this file was made from
    one of theirs (an export), and what keeprate gave to them may stand here as well. Empty where nothing is said."""

    def shown(self) -> tuple[Shown, ...]:
        """The same, value by value."""
        values = [(Channel.RATING, self.rating), (Channel.COLOUR, self.colour), (Channel.PICK, self.pick)]
        single = [Shown(channel, str(value)) for channel, value in values if value is not None]
        return (*single, *(Shown(Channel.KEYWORD, keyword) for keyword in self.keywords))


class BurstKind(StrEnum):
    """Why photos belong together."""

    BURST = "burst"
    """Taken in one go, of one thing: one of them is enough."""
    DUPLICATES = "duplicates"
    """Copies that were resized, compressed or changed a little, whenever they were taken."""
    BRACKET = "bracket"
    """An exposure or focus series: all of it is one picture to be made."""
    PANORAMA = "panorama"
    """Frames of one wide picture: all of them are needed."""


@dataclass(frozen=True, slots=True)
class BurstPlace:
    """Where a photo stands among those that are nearly the same."""

    burst: str
    """What all photos of the group have in common; means nothing by itself."""
    kind: BurstKind
    position: int
    """1 is the best of them."""
    size: int


@dataclass(frozen=True, slots=True)
class ScoredPhoto:
    """One photo of a library with its score by one head."""

    content_key: str
    path: Path
    """The file that stands for the photo: the first of its files by path."""
    other_paths: tuple[Path, ...]
    """Further files with the same picture content in the same library, sorted."""
    buckets: tuple[str, ...]
    probabilities: tuple[float, ...]
    """Calibrated, one per bucket, each within 0–1, summing to 1."""
    score: float
    """What the order is made from, 0–1: the probability of the head's first bucket (`keep`)."""
    percentile: float
    """Rank among the photos of this request: 1.0 the best, 0.0 the worst."""
    label: str | None
    """The bucket that the user put it in, or None for a photo not reviewed yet."""
    taken_at: datetime | None
    companions: tuple[PhotoFile, ...] = ()
    """Files of the same shot with other content (the RAW of a JPEG, an edited copy): marked like the photo, shown
    once. Sorted by path."""
    burst: BurstPlace | None = None
    """None: nothing else is nearly the same."""
    said: tuple[Shown, ...] = ()
    """What the user says about it in any place that photo managers read: who writes stars into one place must not
    contradict those that the user set in another."""
    given: tuple[Shown, ...] = ()
    """Every value that keeprate ever showed for any file of the shot: where a program carried one on into another
    place, it says nothing."""

    def files(self) -> tuple[PhotoFile, ...]:
        """Every file that stands for this photo, its copies and companions included."""
        own = (PhotoFile(path, self.content_key) for path in (self.path, *self.other_paths))
        return (*own, *self.companions)


Opening = Callable[[Path], AbstractContextManager[None]]
"""(photo) -> what to hold while that photo file is decoded, from any thread: if it kills the process, keeprate knows
which it was. Raises MarkRefusedError on entering for one that did."""


def _unwatched(_photo: Path) -> AbstractContextManager[None]:
    return nullcontext()


def _nobody_knows(_content_key: str, _field: str) -> bytes | None:
    return None


OfHead = Callable[[str], "MarkRequest | None"]


def _no_other_head(_head: str) -> MarkRequest | None:
    return None


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """Everything that a photo manager needs to plan its marks for one library."""

    library: LibraryPlace
    head: str
    model: str
    """Who scored, for people and for the `keeprate:model` field: `keep#3 on builtin`."""
    scored_at: datetime
    photos: Sequence[ScoredPhoto]
    """Best first."""
    last_written: LastWritten
    of_head: OfHead = _no_other_head
    """Head name -> the same photos as another head of this library scores them; None if it has no scores."""
    before_us: BeforeUs = _nobody_knows
    opening: Opening = _unwatched
    """To be held by `plan` and `apply` around whatever decodes a photo file that is not the place of the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One planned change to one place. A photo manager may subclass it to carry what `apply` needs.

    `before` and `after` are the photo manager's own encoding of the place, complete enough for `undo` to restore
    it; None means that nothing stands (or will stand) there. Both go into the journal: keep them small.
    """

    path: Path
    """The file or folder that would change."""
    field: str
    """What of it, in the photo manager's words: `sidecar`, `embedded-xmp`, `mtime`, `view-folder` …"""
    before: bytes | None
    after: bytes | None
    summary: str
    """One line for `keeprate write --dry-run`."""
    content_key: str | None = None
    """The photo concerned, if it is a single one: a journal entry finds it again after a rename."""
    touches_photo: bool = False
    """True if the photo file itself changes (metadata embedded, times set): its `stat` is recorded afresh."""
    shows: tuple[Shown, ...] = ()
    """What of it viewers take for a value of the user's: keeprate remembers it for ever, since a viewer may write it
    elsewhere later, and keeprate must not take its own word for the user's."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A place left alone, and why."""

    path: Path
    reason: str
    later: bool = False
    """True if it is only too early: keeprate plans again after a moment."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A change that keeprate made (or was about to make when it was killed)."""

    path: Path
    field: str
    before: bytes | None
    after: bytes | None
    photo_paths: tuple[Path, ...]
    """Where the photo's files lie now; the photo may have been renamed since."""


class UndoOutcome(StrEnum):
    """What became of one journal entry."""

    RESTORED = "restored"
    """The place is byte for byte as before."""
    REMOVED_OURS = "removed-ours"
    """Others have changed the place since: only what was ours was taken out."""
    NOT_OURS = "not-ours"
    """Nothing of ours stands there any more; nothing was changed."""
    GONE = "gone"
    """The file is gone; there is nothing to take back."""


class PhotoManager(ABC):
    """Base class of photo managers.

    One object serves one library for one run. `settings_type` is a frozen dataclass whose fields are the keys of
    the config section; every field needs a default. keeprate checks keys and types before it builds the object.
    A field's text in the reference is `field(default=…, metadata={"help": "…"})`.
    """

    settings_type: ClassVar[type[Any]]
    reads_marks: ClassVar[bool] = False
    """Whether `read_marks` can find anything."""

    def __init__(self, library: LibraryPlace, settings: Any) -> None:
        self.library = library
        self.settings = settings

    @abstractmethod
    def plan(self, request: MarkRequest) -> Iterator[Change | Skipped]:
        """Yield what would change, lazily; must not change anything."""

    @abstractmethod
    def apply(self, change: Change) -> None:
        """Make one change that `plan` yielded, atomically.

        Raises:
            MarkRefusedError: nothing was changed; its text says why.
            OSError: the write failed (disk full, permissions); the original is intact.
        """

    @abstractmethod
    def standing(self, entry: JournalEntry) -> bytes | None:
        """What stands at the place now, encoded as in `Change.before`; None if nothing does.

        It tells what a kill left undone.

        Raises:
            MarkRefusedError, OSError: it cannot be told, which must not be taken for nothing.
        """

    @abstractmethod
    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Take one change back.

        Raises:
            MarkRefusedError: nothing was changed; its text says why.
            OSError: the write failed; the place is as it was.
        """

    def own_folders(self) -> tuple[Path, ...]:
        """Folders that hold nothing but what this photo manager made: never watched, never walked."""
        return ()

    def shows(self, entry: JournalEntry) -> tuple[Shown, ...]:  # noqa: ARG002
        """What viewers could take for the user's while `before` or `after` of an entry stood (`Change.shows`).

        Asked once of entries that an earlier keeprate made. What cannot be understood shows nothing.
        """
        return ()

    def places(self) -> tuple[Path, ...]:
        """Files and folders that the settings name to be made here: no two settings may name one place."""
        return ()

    def wants(self, field: str, path: Path | None) -> bool:  # noqa: ARG002
        """Whether the settings still ask for what was written as `field` at `path` (None: anywhere at all).

        What they do not, `keeprate write` takes back with `undo`. Entries with a `content_key` are looked at only if
        nothing of their field is wanted anywhere.
        """
        return True

    def mark_places(self, photo: Path, beside: Collection[str]) -> tuple[Path, ...]:  # noqa: ARG002
        """Files other than the photo itself where marks of it may stand: those of the names `beside` in its folder.

        They begin with what the photo's name has before its first dot, in whatever case: without such a name that is
        no picture's, keeprate does not ask.
        Called for every photo at every scan, in the resident process: names only, no file is touched. keeprate reads
        again when the `stat` of the photo or of one of these has changed (attributes change the `stat` of their file).
        """
        return ()

    def read_marks(self, photo: PhotoFile, last_written: LastWritten) -> UserMarks:  # noqa: ARG002
        """What the user says about a photo file in this photo manager's places.

        Raises:
            MarkRefusedError: it cannot be told; the text says why.
            OSError: a place cannot be read.
        """
        return UserMarks()

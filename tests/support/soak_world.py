"""What a person does with two libraries of photos, by chance from a seed, with a ledger of everything that was said.

`camera` keeps its photos on a disk that is always there, and keeprate may embed marks into them; `phone` lies on a disk
that is taken out now and then, and its photos get stars, in sidecars. No label comes from anywhere but the acts here.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from keeprate.pictures.content_key import content_key
from support.photos import jpeg
from support.removable import RemovableDisk
from support.xmp import packet

INBOX, KEEP, DELETE = "inbox", "keep", "delete"
BUCKETS = (KEEP, DELETE)
SORTED_AT_FIRST = 40
RATED = {5: KEEP, 4: KEEP, 3: None, 2: None, 1: DELETE}
"""Stars → the bucket they mean, by the default table."""
ODD_NAMES = (
    "Größe {}.jpg",
    "two  words {}.jpg",
    "it's {} & more.JPG",
    "#{} [x] %20.jpg",
    "-{}.jpeg",
    "caf\udce9 {}.jpg",
)


@dataclass(slots=True)
class Photo:
    """One picture, wherever its files lie, and what was said of it."""

    key: str
    original: bytes
    sharp: bool
    known: bool
    """Whether keeprate had certainly seen it before anything was said of it."""
    said: set[str | None] = field(default_factory=lambda: {None})
    """Every bucket that it ever was in; a photo that is gone may still carry any of them."""
    stars: int | None = None
    undo_may_miss: bool = False
    """A file of it was copied, marks and all, or lay in the trash when marks were taken back: undo cannot know that."""
    thrown_away: bool = False
    """It lies in the trash, and no file of it anywhere else."""
    unknown_when_thrown_away: bool = False
    """That file was edited or copied before; if nobody looked in between, nothing tells that it is this photo."""


@dataclass(slots=True)
class Lying:
    """A file in a library as the person left it."""

    photo: Photo
    comments: list[bytes] = field(default_factory=list)
    """Edits of its metadata that must still be there at the end."""


@dataclass(slots=True)
class World:
    """The folders, and the ledger. `act` does one thing."""

    camera: Path
    phone: Path
    disk: RemovableDisk
    trash: Path
    chance: random.Random
    files: dict[Path, Lying] = field(default_factory=dict)
    trashed: dict[str, tuple[Path, Lying]] = field(default_factory=dict)
    """Name in the trash → where it lay, and what it was."""
    half: dict[Path, Photo] = field(default_factory=dict)
    """Files of which one half is written."""
    photos: dict[str, Photo] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    """What was done, for whoever has to find out why something went wrong."""
    _number: int = 0

    def fill(self, count: int) -> None:
        """The first photos, which keeprate gets to know before anything else happens."""
        for root in (self.camera, self.phone):
            for folder in (INBOX, "2025/summer", "2026", *BUCKETS):
                (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            root = self.camera if number % 3 else self.phone
            photo = self._new_photo(known=True)
            folder = self._wanted_bucket(photo) if number < SORTED_AT_FIRST else INBOX
            self._put(root / folder / f"IMG_{number:04d}.jpg", photo)

    def act(self) -> None:
        """One thing, chosen by chance among those that are possible now."""
        acts: list[tuple[int, Callable[[], str | None]]] = [
            (20, self._sort), (8, self._take_out), (8, self._rename), (8, self._move_about), (6, self._copy),
            (6, self._new), (5, self._throw_away), (3, self._bring_back), (2, self._delete), (6, self._edit),
            (6, self._rate), (3, self._begin_half), (4, self._finish_half), (3, self._move_folder),
            (2, self._disk_away), (4, self._disk_back),
        ]  # fmt: skip
        act = self.chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        said = act()
        if said is not None:
            self.done.append(f"{time.strftime('%H:%M:%S')} {act.__name__.strip('_')}: {said}")

    def settle(self) -> None:
        """Bring back the disk and write every half file to its end."""
        if not self.disk.is_there:
            self.disk.put_in()
        while self.half:
            self._finish_half()

    # ---- what is where ----

    def bucket(self, path: Path) -> str | None:
        """The bucket that a file lies in."""
        root = self.camera if path.is_relative_to(self.camera) else self.phone
        first = path.relative_to(root).parts[0]
        return first if first in BUCKETS else None

    def lying(self, photo: Photo) -> list[Path]:
        return [path for path, one in self.files.items() if one.photo is photo]

    def _reachable(self) -> list[Path]:
        return sorted(path for path in self.files if self.disk.is_there or not path.is_relative_to(self.phone))

    def _any(self, wanted: Callable[[Path], bool] = lambda _: True) -> Path | None:
        found = [path for path in self._reachable() if wanted(path)]
        return self.chance.choice(found) if found else None

    def _root_of(self, path: Path) -> Path:
        return self.camera if path.is_relative_to(self.camera) else self.phone

    def _folder(self, root: Path) -> Path:
        """Somewhere outside the buckets."""
        return root / self.chance.choice((INBOX, "2025/summer", "2026", f"new {self.chance.randrange(5)}/deep"))

    def _name(self) -> str:
        self._number += 1
        return self.chance.choice((*ODD_NAMES, "IMG_{}.jpg", "DSC{}.JPG")).format(f"{self._number:05d}")

    def _new_photo(self, *, known: bool = False) -> Photo:
        sharp = self.chance.random() < 0.5
        return Photo("", jpeg(10_000 + len(self.photos), sharp=sharp), sharp, known)

    def _wanted_bucket(self, photo: Photo) -> str:
        """The person keeps what is sharp, mostly: so that there is something to learn, and marks to write."""
        return (KEEP if photo.sharp else DELETE) if self.chance.random() < 0.9 else self.chance.choice(BUCKETS)

    def _put(self, path: Path, photo: Photo) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.original)
        photo.key = content_key(path)
        self.photos[photo.key] = photo
        self._note(path, Lying(photo))

    def _note(self, path: Path, lying: Lying) -> None:
        self.files[path] = lying
        lying.photo.thrown_away = False
        lying.photo.said.add(self.bucket(path))

    def _move(self, path: Path, to: Path) -> str:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, to)
        sidecar = _sidecar(path)
        if sidecar.exists():
            shutil.move(sidecar, _sidecar(to))
        self._note(to, self.files.pop(path))
        return f"{path} → {to}"

    # ---- acts; each says what it did, or None if there was nothing to do it with ----

    def _sort(self) -> str | None:
        path = self._any(lambda one: self.files[one].photo.stars is None)
        if path is None:
            return None
        return self._move(path, self._root_of(path) / self._wanted_bucket(self.files[path].photo) / self._name())

    def _take_out(self) -> str | None:
        path = self._any(lambda one: self.bucket(one) is not None)
        return None if path is None else self._move(path, self._folder(self._root_of(path)) / self._name())

    def _rename(self) -> str | None:
        path = self._any()
        return None if path is None else self._move(path, path.with_name(self._name()))

    def _move_about(self) -> str | None:
        path = self._any(lambda one: self.bucket(one) is None)
        return None if path is None else self._move(path, self._folder(self._root_of(path)) / self._name())

    def _copy(self) -> str | None:
        path = self._any(lambda one: self.files[one].photo.stars is None)
        if path is None:
            return None
        root = self._root_of(path)
        folder = self._folder(root) if self.chance.random() < 0.8 else root / self.chance.choice(BUCKETS)
        to = folder / self._name()
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        self.files[path].photo.undo_may_miss = True
        self._note(to, Lying(self.files[path].photo, list(self.files[path].comments)))
        return f"{path} → {to}"

    def _new(self) -> str | None:
        root = self.camera if self.chance.random() < 0.6 or not self.disk.is_there else self.phone
        folder = self._folder(root) if self.chance.random() < 0.7 else root / self.chance.choice(BUCKETS)
        path = folder / self._name()
        self._put(path, self._new_photo())
        return str(path)

    def _throw_away(self) -> str | None:
        path = self._any(lambda one: self.files[one].photo.stars is None and one.is_relative_to(self.camera))
        if path is None:
            return None
        self._number += 1
        name = f"trashed {self._number}.jpg"
        (self.trash / "info").mkdir(parents=True, exist_ok=True)
        (self.trash / "files").mkdir(exist_ok=True)
        where = quote(os.fsencode(path))
        when = datetime.now().strftime("%Y-%m-%dT%H:%M:%S")
        (self.trash / "info" / f"{name}.trashinfo").write_text(f"[Trash Info]\nPath={where}\nDeletionDate={when}\n")
        path.rename(self.trash / "files" / name)
        lying = self.files.pop(path)
        lying.photo.unknown_when_thrown_away = bool(lying.comments) or lying.photo.undo_may_miss
        lying.photo.undo_may_miss = True
        self.trashed[name] = path, lying
        if not self.lying(lying.photo):
            lying.photo.thrown_away = True
            lying.photo.said.add(DELETE)
        return str(path)

    def _bring_back(self) -> str | None:
        if not self.trashed:
            return None
        name = self.chance.choice(sorted(self.trashed))
        path, lying = self.trashed.pop(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.trash / "files" / name).rename(path)
        (self.trash / "info" / f"{name}.trashinfo").unlink()
        self._note(path, lying)
        return str(path)

    def _delete(self) -> str | None:
        path = self._any(lambda one: self.files[one].photo.stars is None)
        if path is None:
            return None
        path.unlink()
        del self.files[path]
        return str(path)

    def _edit(self) -> str | None:
        """Add a comment to the metadata, as editors do it: a new file takes the place of the old one."""
        path = self._any()
        if path is None:
            return None
        comment = f"comment {len(self.done)}".encode()
        data = path.read_bytes()
        new = path.with_name(f".editor-{len(self.done)}")
        new.write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])
        new.replace(path)
        self.files[path].comments.append(comment)
        return str(path)

    def _rate(self) -> str | None:
        """Give stars in a viewer that writes sidecars; only on the phone, and never to what was sorted."""
        path = self._any(lambda one: one.is_relative_to(self.phone) and self._may_be_rated(one))
        if path is None:
            return None
        stars = self.chance.choice(sorted(RATED))
        sidecar = _sidecar(path)
        new = sidecar.with_name(f".viewer-{len(self.done)}")
        new.write_bytes(packet(attributes=f'xmp:Rating="{stars}"'))
        new.replace(sidecar)
        photo = self.files[path].photo
        photo.stars = stars
        photo.said.add(RATED[stars])
        return f"{stars} for {path}"

    def _may_be_rated(self, path: Path) -> bool:
        photo = self.files[path].photo
        never_sorted = photo.said <= {None} or photo.stars is not None
        return never_sorted and self.bucket(path) is None and len(self.lying(photo)) == 1

    def _begin_half(self) -> str | None:
        if len(self.half) > 3:
            return None
        path = self.camera / INBOX / self._name()
        photo = self._new_photo()
        self.photos[f"half written {len(self.photos)}"] = photo  # it takes a number, so that no two are the same
        path.write_bytes(photo.original[: len(photo.original) // 2])
        self.half[path] = photo
        return str(path)

    def _finish_half(self) -> str | None:
        if not self.half:
            return None
        path = self.chance.choice(sorted(self.half))
        photo = self.half.pop(path)
        with path.open("ab") as file:
            file.write(photo.original[len(photo.original) // 2 :])
        photo.key = content_key(path)
        self.photos[photo.key] = photo
        self._note(path, Lying(photo))
        return str(path)

    def _move_folder(self) -> str | None:
        """Rename a folder with everything in it, sometimes into a bucket."""
        path = self._any(lambda one: one.parent.name == "deep" or one.parent.name.startswith("trip"))
        if path is None:
            return None
        root, folder = self._root_of(path), path.parent
        below = [one for one in self._reachable() if one.is_relative_to(folder)]
        into_bucket = self.chance.random() < 0.4 and all(self.files[one].photo.stars is None for one in below)
        parent = root / self.chance.choice(BUCKETS) if into_bucket else root / "2026"
        self._number += 1
        to = parent / f"trip {self._number}"
        folder.rename(to)
        for one in below:
            self._note(to / one.relative_to(folder), self.files.pop(one))
        return f"{folder} → {to}"

    def _disk_away(self) -> str | None:
        if not self.disk.is_there or any(path.is_relative_to(self.phone) for path in self.half):
            return None
        self.disk.take_out()
        return self.disk.kind

    def _disk_back(self) -> str | None:
        if self.disk.is_there:
            return None
        self.disk.put_in()
        return self.disk.kind


def expected(world: World, photo: Photo, held: Collection[str]) -> set[str | None]:
    """The labels that a photo may carry, from nothing but the ledger."""
    lying = world.lying(photo)
    if photo.stars is not None and lying:
        return {RATED[photo.stars]} | ({None} if photo.key in held else set())
    if lying:
        buckets = {bucket for path in lying if (bucket := world.bucket(path)) is not None}
        return set(buckets) if len(buckets) == 1 else {None}
    if photo.thrown_away:
        return {DELETE} if photo.known and not photo.unknown_when_thrown_away else {DELETE, None, *photo.said}
    return set(photo.said)


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.xmp")

"""The ways in which keeprate writes, each with settings that write all that it can, for `prove_harmless.py`."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keeprate.attributes.store import LinuxStore
from keeprate.plugin_api import LibraryPlace, PhotoManager
from keeprate_finder import FinderManager
from keeprate_finder.settings import FinderSettings
from keeprate_kde import KdeManager
from keeprate_kde.settings import KdeSettings
from keeprate_order import OrderManager
from keeprate_order.settings import OrderSettings
from keeprate_xmp import XmpManager, XmpSettings

_FINDER_TAGS = "com.apple.metadata:_kMDItemUserTags"


class MemoryStore:
    """Attributes of files where the system has none of that kind: a Mac's, here."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, int], dict[str, bytes]] = {}

    def of(self, file: int | Path) -> dict[str, bytes]:
        status = os.stat(file)
        return self._values.setdefault((status.st_dev, status.st_ino), {})

    def get(self, descriptor: int, name: str) -> bytes | None:
        return self.of(descriptor).get(name)

    def set(self, descriptor: int, name: str, value: bytes, *, new: bool) -> None:
        if new and name in self.of(descriptor):
            raise FileExistsError(name)
        self.of(descriptor)[name] = value

    def remove(self, descriptor: int, name: str) -> None:
        del self.of(descriptor)[name]


@dataclass(frozen=True, slots=True)
class Way:
    """A photo manager with its settings, and what it must leave alone."""

    name: str
    manager: PhotoManager
    fields_in_photos: frozenset[str] = frozenset()
    """The journal's names of changes that alter bytes of a photo."""
    sets_times: bool = False
    attributes_of: Callable[[Path], Mapping[str, bytes]] = field(default=lambda _: {})
    """The extended attributes in which this way writes."""
    give_user_values: Callable[[Path], None] = field(default=lambda _: None)
    """Sets what a user may have set there."""


def ways(library: Path, views: Path) -> list[Callable[[], Way]]:
    """How to make each way for a library at `library`; `views` is for what lies outside of it."""
    place = LibraryPlace("harmless", library)

    def xmp(mode: str) -> Way:
        settings = XmpSettings(
            mode="embed" if mode == "embed" else "sidecar",
            stars=True, label=True, keywords=True, minimum_age_s=0, skip_darktable=False,
        )  # fmt: skip
        inside = frozenset({"embedded-xmp"} if mode == "embed" else ())
        return Way(f"xmp {mode}", XmpManager(place, settings), inside)

    def order() -> Way:
        settings = OrderSettings(
            view_folder=str(views / "By score"),
            playlist=str(views / "best.m3u8"),
            contact_sheet=str(views / "best.html"),
            geeqie_collection=str(views / "best.gqv"),
            touch_mtime=True,
        )
        return Way("order", OrderManager(place, settings), sets_times=True)

    def kde() -> Way:
        def give(photo: Path) -> None:
            os.setxattr(photo, "user.baloo.rating", b"6")
            os.setxattr(photo, "user.xdg.tags", b"Oma,Urlaub")

        manager = KdeManager(place, KdeSettings(stars=True, tags=True), LinuxStore())
        return Way("kde", manager, attributes_of=_user_attributes, give_user_values=give)

    def finder() -> Way:
        store = MemoryStore()

        def give(photo: Path) -> None:
            store.of(photo)[_FINDER_TAGS] = plistlib.dumps(["Rot\n6", "Oma"], fmt=plistlib.FMT_BINARY)

        manager = FinderManager(place, FinderSettings(colours=True, tags=True), store)
        return Way("finder", manager, attributes_of=lambda path: dict(store.of(path)), give_user_values=give)

    return [lambda: xmp("sidecar"), lambda: xmp("embed"), order, kde, finder]


def _user_attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}

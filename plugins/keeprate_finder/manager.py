"""The photo manager itself: the Finder's attribute, and what to write into it.

The Finder keeps the number of one colour in a second place, the attribute `com.apple.FinderInfo`, beside much else.
keeprate never writes that one; a colour in it without a tag was set by an older program and is the user's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from keeprate.attributes.claim import Attributes
from keeprate.attributes.manager import AttributeManager, score_tags
from keeprate.attributes.ownership import Channel as Attribute
from keeprate.attributes.ownership import Scheme
from keeprate.attributes.store import AttributeStore, opened
from keeprate.plugin_api import Channel, LibraryPlace, ScoredPhoto, Shown, UserMarks
from keeprate_finder import values
from keeprate_finder.mac_store import system_store
from keeprate_finder.settings import FinderSettings

_TAGS = "com.apple.metadata:_kMDItemUserTags"
_FINDER_INFO = "com.apple.FinderInfo"
_LABEL_BYTE = 9
"""Its bits 1 to 3 are the number of the colour (`kColor` in Apple's Finder.h)."""
SCHEME = Scheme(
    channels=(Attribute("tags", _TAGS, values.has_no_tags, values.tags_without),),
    claim_attribute="keeprate.wrote",
)


class FinderManager(AttributeManager):
    """Colours and tags in the attribute that the Finder reads."""

    settings_type: ClassVar[type[Any]] = FinderSettings

    def __init__(self, library: LibraryPlace, settings: FinderSettings, store: AttributeStore | None = None) -> None:
        """`store` takes the place of the system's attributes in tests."""
        self._store = store or system_store()
        super().__init__(library, settings, SCHEME, self._store)

    def wishes(self, photo: ScoredPhoto) -> Mapping[str, bytes | None]:
        settings = self.settings
        if photo.label is not None and not settings.reviewed:
            return {"tags": None}
        has_colour = any(shown.channel is Channel.COLOUR for shown in photo.said)
        colours = [_colour(photo.percentile)] if settings.colours and not has_colour else []
        tags = score_tags(
            photo,
            settings.tag_root if settings.tags else None,
            settings.best_of_burst_tag if settings.best_of_burst else None,
        )
        return {"tags": values.packed([colour for colour in colours if colour is not None] + tags)}

    def shown(self, channel: str, value: bytes) -> tuple[Shown, ...]:  # noqa: ARG002
        return self.user_marks({"tags": value}).shown()

    def user_marks(self, found: Mapping[str, bytes]) -> UserMarks:
        tags = found.get("tags", b"")
        return UserMarks(colour=values.colour_in(tags), keywords=values.keywords_in(tags))

    def further_reason(self, path: Path, here: Attributes) -> str | None:
        if _TAGS in here.values or self._store is None:
            return None
        with opened(Path(os.path.realpath(path))) as descriptor:
            information = self._store.get(descriptor, _FINDER_INFO) or b""
        has_label = len(information) > _LABEL_BYTE and (information[_LABEL_BYTE] >> 1) & 7
        return "it has a colour of yours, set by an older program" if has_label else None

    def unavailable(self) -> str:
        return "the Finder, and the attribute that it keeps tags in, are there on macOS only"


def _colour(percentile: float) -> str | None:
    return "Green" if percentile >= 0.90 else "Red" if percentile < 0.25 else None

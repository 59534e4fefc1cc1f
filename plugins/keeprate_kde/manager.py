"""The photo manager itself: KDE's attributes, and what to write into them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from keeprate.attributes.manager import AttributeManager, score_tags
from keeprate.attributes.ownership import Channel as Attribute
from keeprate.attributes.ownership import Scheme
from keeprate.attributes.store import AttributeStore, LinuxStore
from keeprate.plugin_api import Channel, LibraryPlace, ScoredPhoto, Shown, UserMarks
from keeprate_kde import values
from keeprate_kde.settings import KdeSettings

SCHEME = Scheme(
    channels=(
        Attribute("stars", "user.baloo.rating", values.is_unrated, values.rating_without),
        Attribute("tags", "user.xdg.tags", values.has_no_tags, values.tags_without),
    ),
    claim_attribute="user.keeprate.wrote",
)


class KdeManager(AttributeManager):
    """Stars and tags in the attributes that Gwenview and Dolphin read."""

    settings_type: ClassVar[type[Any]] = KdeSettings

    def __init__(self, library: LibraryPlace, settings: KdeSettings, store: AttributeStore | None = None) -> None:
        """`store` takes the place of the system's attributes in tests."""
        has_attributes = hasattr(os, "getxattr")
        super().__init__(library, settings, SCHEME, store or (LinuxStore() if has_attributes else None))

    def wishes(self, photo: ScoredPhoto) -> Mapping[str, bytes | None]:
        settings = self.settings
        if photo.label is not None and not settings.reviewed:
            return {"stars": None, "tags": None}
        is_rated = any(shown.channel is Channel.RATING for shown in photo.said)
        tags = score_tags(
            photo,
            settings.tag_root if settings.tags else None,
            settings.best_of_burst_tag if settings.best_of_burst else None,
        )
        return {
            "stars": values.rating_for(photo.percentile) if settings.stars and not is_rated else None,
            "tags": values.joined(tags),
        }

    def shown(self, channel: str, value: bytes) -> tuple[Shown, ...]:
        if channel == "stars":
            return (Shown(Channel.RATING, str(values.stars_in(value))),)
        return tuple(Shown(Channel.KEYWORD, keyword) for keyword in values.keywords_in(value))

    def user_marks(self, values_: Mapping[str, bytes]) -> UserMarks:
        return UserMarks(
            rating=values.stars_in(values_.get("stars", b"")),
            keywords=values.keywords_in(values_.get("tags", b"")),
        )

    def unavailable(self) -> str:
        return "KDE keeps stars and tags in extended attributes, which this system does not have"

"""What keeprate's panel in darktable gave to a photo, by the tags with which it says so.

darktable carries the panel's stars and colour labels into its sidecars and exports like anybody's, and with them the
tags `keeprate|stars 4` and `keeprate|colour green` (`plugins/darktable/keeprate.lua`). Stars that are as many as the
tag says are keeprate's own word; any others are the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from keeprate_xmp.fields import DIGIKAM, LIGHTROOM
from keeprate_xmp.packet import Packet
from keeprate_xmp.user_values import Given

_ROOT = "keeprate"
_STARS = re.compile(rf"{_ROOT}\|stars ([1-5])")
_COLOUR = re.compile(rf"{_ROOT}\|colour ([a-z]+)")


def given_by_panel(given: Given, packets: Iterable[Packet]) -> Given:
    """`given` and what tags in the packets of one photo claim for the panel, the tags included."""
    tags = {tag for packet in packets for tag in _tags(packet) if tag.startswith(f"{_ROOT}|")}
    if not tags:
        return given
    ratings = {int(found[1]) for found in map(_STARS.fullmatch, tags) if found}
    colours = {found[1].capitalize() for found in map(_COLOUR.fullmatch, tags) if found}
    parts = {part for tag in tags for part in tag.split("|")}  # flat lists have these
    return Given(given.ratings | ratings, given.colours | colours, given.keywords | tags | parts)


def _tags(packet: Packet) -> Iterable[str]:
    for namespace, name, separator in ((LIGHTROOM, "hierarchicalSubject", "|"), (DIGIKAM, "TagsList", "/")):
        for found in packet.all_of(namespace, name):
            yield from (item.replace(separator, "|") for item in found.items or ())

"""What keeprate once showed, photo by photo, with what copies of a photo may have carried along.

An export is another picture with another content key, and carries our stars. Two things tell it: a block of ours in
it that names the photo it was made from, or that it looks like that photo. A look-alike counts only if it had the
value when its marks were first read and got it after we gave it: frames of a burst look alike, too, and whoever rates
one of them means that one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import Catalog, files, given_marks, user_marks
from keeprate.catalog.user_marks import SaidValue
from keeprate.plugin_api import Shown

ALIKE = 6
"""Of 64 bits of two perceptual hashes: so many differ after resizing and compressing."""


def given_values(catalog: Catalog, values: Sequence[SaidValue]) -> dict[str, set[Shown]]:
    """content key → the values that keeprate gave to the photo, or that a file of it may have from one that we marked.

    `values` are those that were read as the user's: of look-alikes only these are told.
    """
    given = given_marks.everything(catalog)
    found = {key: set(shown) for key, shown in given.items()}
    for key, carried in user_marks.carried_keys(catalog):
        found.setdefault(key, set()).update(given.get(carried, ()))
    began = given_marks.began(catalog)
    born = [
        one
        for one in values
        if one.born and one.placed_at >= began and one.decision is None
        and one.shown not in found.get(one.content_key, ())
    ]  # fmt: skip
    for one in _look_alikes(catalog, born):
        found.setdefault(one.content_key, set()).add(one.shown)
    return found


def _look_alikes(catalog: Catalog, values: Sequence[SaidValue]) -> list[SaidValue]:
    """Those values that keeprate had given before to a photo that looks the same."""
    if not values:
        return []
    looks = files.perceptual_hashes(catalog, {one.content_key for one in values})
    given: dict[Shown, list[tuple[float, int]]] = defaultdict(list)
    for shown, given_at, given_look in given_marks.with_looks(catalog, {one.shown for one in values}):
        given[shown].append((given_at, given_look))
    arrays: dict[Shown, tuple[NDArray[np.float64], NDArray[np.int64]]] = {
        shown: (np.array([when for when, _ in those]), np.array([hash_ for _, hash_ in those], np.int64))
        for shown, those in given.items()
    }
    found = []
    for one in values:
        look = looks.get(one.content_key)
        if look is None or one.shown not in arrays:
            continue
        at, others = arrays[one.shown]
        alike = np.bitwise_count((others ^ look).view(np.uint64)) <= ALIKE
        if np.any(alike & (at <= one.placed_at)):
            found.append(one)
    return found

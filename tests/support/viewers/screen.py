"""Read back from a screenshot where a viewer shows which picture of the `shown_library`, by colour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from support.viewers.display import Display
from support.viewers.shown_library import SHARPNESS, colour_of, name_of
from support.waiting import wait_until

TOLERANCE = 8
"""Of each of red, green and blue: what thumbnails' compression and scaling change."""
FEWEST_PIXELS = 300
"""Fewer are no thumbnail."""
ROW = 40
"""Thumbnails whose middles differ by less are in one row, in pixels."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


def order_on(image: Image.Image, box: Box | None = None) -> list[str]:
    """Names of the photos that are seen, row by row, each from left to right."""
    pixels = np.asarray(image.crop(box) if box else image, np.int16)
    places = []
    for number in range(len(SHARPNESS)):
        hit = (np.abs(pixels - np.array(colour_of(number), np.int16)) <= TOLERANCE).all(axis=2)
        if int(hit.sum()) > FEWEST_PIXELS:
            rows, columns = np.nonzero(hit)
            places.append((float(np.median(rows)), float(np.median(columns)), name_of(number)))
    lines: list[list[tuple[float, float, str]]] = []
    for place in sorted(places):
        if lines and place[0] - lines[-1][0][0] < ROW:
            lines[-1].append(place)
        else:
            lines.append([place])
    return [name for line in lines for _, _, name in sorted(line, key=lambda place: place[1])]


def settled_order(
    display: Display, box: Box | None = None, *, count: int = len(SHARPNESS), timeout_s: float = 30
) -> list[str]:
    """What is seen once `count` photos are there and two screenshots in a row agree; what was seen last otherwise."""
    seen: list[list[str]] = [[], []]

    def settled() -> bool:
        seen.append(order_on(display.screenshot(), box))
        return len(seen[-1]) == count and seen[-1] == seen[-2]

    wait_for(settled, timeout_s)
    return seen[-1]


def wait_for(predicate: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it became true in time; for what the test then reports better than a time that is over."""
    try:
        wait_until(predicate, timeout_s)
    except AssertionError:
        return False
    return True

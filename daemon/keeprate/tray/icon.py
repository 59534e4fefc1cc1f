"""The icon, drawn from the kind of state: a card whose colour and sign differ, so that nobody needs to see colours.

The card has a dark edge and a light one around it, so that it stands out from dark and light panels alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageDraw

from keeprate.tray.state import IconKind

SIZE = 64
"""What the desktop gets; panels show it at 16 to 48 pixels."""
FINER = 8
"""It is drawn so many times larger and reduced, which smooths the edges."""
UNITS = 32
"""The drawing's own measure: an icon is so many units wide."""
LIGHT, DARK, SIGN = "#ffffff", "#15191d", "#ffffff"
COLOURS: dict[IconKind, str] = {
    "idle": "#1f8a5b", "busy": "#2067c9", "paused": "#6b7480", "attention": "#d9480f", "offline": "#2b3138",
}  # fmt: skip


def draw_icon(kind: IconKind, size: int = SIZE) -> Image.Image:
    """The icon with an alpha channel, `size` pixels square."""
    scale = size * FINER / UNITS
    image = Image.new("RGBA", (size * FINER, size * FINER), (0, 0, 0, 0))
    pen = _Pen(ImageDraw.Draw(image), scale)
    pen.card(0.5, 7.5, LIGHT)
    pen.card(1.8, 6.4, DARK)
    pen.card(3.3, 5.2, COLOURS[kind])
    SIGNS[kind](pen)
    return image.resize((size, size), Image.Resampling.BOX)


class _Pen:
    """Draws in units."""

    def __init__(self, draw: ImageDraw.ImageDraw, scale: float) -> None:
        self._draw = draw
        self._scale = scale

    def card(self, margin: float, radius: float, colour: str) -> None:
        box = (margin, margin, UNITS - margin, UNITS - margin)
        self._draw.rounded_rectangle(self._all(box), radius * self._scale, fill=colour)

    def bar(self, left: float, top: float, right: float, bottom: float, colour: str = SIGN) -> None:
        self._draw.rounded_rectangle(self._all((left, top, right, bottom)), 0.9 * self._scale, fill=colour)

    def dot(self, x: float, y: float, radius: float) -> None:
        self._draw.ellipse(self._all((x - radius, y - radius, x + radius, y + radius)), fill=SIGN)

    def polygon(self, *points: tuple[float, float]) -> None:
        self._draw.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=SIGN)

    def arc(self, radius: float, start: float, end: float, width: float) -> None:
        middle = UNITS / 2
        box = (middle - radius, middle - radius, middle + radius, middle + radius)
        self._draw.arc(self._all(box), start, end, fill=SIGN, width=round(width * self._scale))

    def line(self, points: tuple[float, float, float, float], width: float, colour: str = SIGN) -> None:
        self._draw.line(self._all(points), fill=colour, width=round(width * self._scale))

    def _all(self, values: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        one, two, three, four = (value * self._scale for value in values)
        return one, two, three, four


def _star(pen: _Pen) -> None:
    points = []
    for corner in range(10):
        radius = 10.2 if corner % 2 == 0 else 4.4
        angle = math.pi * (corner / 5 - 0.5)
        points.append((16 + radius * math.cos(angle), 16.8 + radius * math.sin(angle)))
    pen.polygon(*points)


def _turning(pen: _Pen) -> None:
    for start in (25, 205):
        pen.arc(9.4, start, start + 125, 3.2)
        turn = math.radians(start + 2)
        x, y = 16 + 7.8 * math.cos(turn), 16 + 7.8 * math.sin(turn)
        out = (math.cos(turn), math.sin(turn))
        ahead = (math.sin(turn), -math.cos(turn))  # an arrow's head at the beginning of the arc
        pen.polygon(
            (x + 4.3 * out[0], y + 4.3 * out[1]),
            (x - 4.3 * out[0], y - 4.3 * out[1]),
            (x + 6.0 * ahead[0], y + 6.0 * ahead[1]),
        )


def _bars(pen: _Pen) -> None:
    pen.bar(9.6, 8.4, 14.2, 23.6)
    pen.bar(17.8, 8.4, 22.4, 23.6)


def _exclamation(pen: _Pen) -> None:
    pen.bar(13.6, 6.8, 18.4, 18.8)
    pen.dot(16, 23.2, 2.7)


def _crossed_star(pen: _Pen) -> None:
    _star(pen)
    pen.line((6.4, 7.4, 24.6, 25.6), 4.6, COLOURS["offline"])
    pen.line((7.4, 6.4, 25.6, 24.6), 2.4)


SIGNS: dict[IconKind, Callable[[_Pen], None]] = {
    "idle": _star, "busy": _turning, "paused": _bars, "attention": _exclamation, "offline": _crossed_star,
}  # fmt: skip


def contact_sheet(sizes: tuple[int, ...] = (16, 22, 32, 48, 64)) -> Image.Image:
    """All icons in several sizes, on a dark and on a light panel: for people, who judge whether they are readable."""
    gap, column = 14, max(sizes) + 14
    width, height = gap + column * len(COLOURS), gap + sum(size + gap for size in sizes)
    sheet = Image.new("RGB", (2 * width, height), "#2d2d2d")
    sheet.paste("#ececec", (width, 0, 2 * width, height))
    for left in (gap, width + gap):
        for number, kind in enumerate(COLOURS):
            top = gap
            for size in sizes:
                icon = draw_icon(kind, size)
                sheet.paste(icon, (left + column * number + (max(sizes) - size) // 2, top), icon)
                top += size + gap
    return sheet

"""Draw scenes that look like photos from afar: landscapes, streets, people, flowers, pebbles.

What matters is that their statistics are those of photos (smooth skies, hard edges, fine texture, soft
backgrounds, dark nights, pale fog), so that a blurred or badly exposed rendering is told from a good one by the
same quantities as with real photos. Each function takes a random generator and draws another scene of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1350, 1012
"""Of a scene in pixels; a photo shows a part of it, which is how the frames of a burst differ."""

Colour = tuple[int, int, int]
Random = np.random.Generator


class Canvas:
    """A picture being drawn, and beside it how much fine texture each place gets (0–255)."""

    def __init__(self, backdrop: Image.Image) -> None:
        self.picture = backdrop
        self.draw = ImageDraw.Draw(backdrop)
        self._texture = Image.new("L", backdrop.size, 3)
        self._texture_draw = ImageDraw.Draw(self._texture)

    def polygon(self, points: list[tuple[float, float]], colour: Colour, texture: int) -> None:
        self.draw.polygon(points, fill=colour)
        self._texture_draw.polygon(points, fill=texture)

    def ellipse(self, box: tuple[float, float, float, float], colour: Colour, texture: int) -> None:
        self.draw.ellipse(box, fill=colour)
        self._texture_draw.ellipse(box, fill=texture)

    def rectangle(self, box: tuple[float, float, float, float], colour: Colour, texture: int) -> None:
        self.draw.rectangle(box, fill=colour)
        self._texture_draw.rectangle(box, fill=texture)

    def finished(self, rng: Random) -> Image.Image:
        """The picture with its texture."""
        grain = shifted_grain(rng, self.picture.size)
        grain *= np.asarray(self._texture, dtype=np.int16)
        grain >>= 7
        pixels = np.asarray(self.picture, dtype=np.int16) + grain[:, :, None]
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@cache
def _grain() -> NDArray[np.int16]:
    """Texture of one to three pixels, standard deviation about 40, drawn once and shifted for each use."""
    rng = np.random.default_rng(20260101)
    field = rng.standard_normal((1400, 1800), dtype=np.float32)
    field[1:] += 0.6 * field[:-1]
    field[:, 1:] += 0.6 * field[:, :-1]
    return np.clip(field * 28, -127, 127).astype(np.int16)


def shifted_grain(rng: Random, size: tuple[int, int]) -> NDArray[np.int16]:
    """A part of the grain as large as `size` (width, height), shape (height, width), to be changed freely."""
    grain = _grain()
    width, height = size
    top = int(rng.integers(grain.shape[0] - height))
    left = int(rng.integers(grain.shape[1] - width))
    return grain[top : top + height, left : left + width].copy()


@lru_cache(maxsize=1)  # the frames of a burst come one after the other
def draw_scene(kind: str, seed: tuple[int, ...]) -> Image.Image:
    """A scene of one of the `KINDS`, WIDTH × HEIGHT, RGB; the same seed draws the same scene. Not to be changed."""
    rng = np.random.default_rng(seed)
    canvas = KINDS[kind](rng)
    return canvas.finished(rng)


def _mix(one: Colour, other: Colour, part: float) -> Colour:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _varied(rng: Random, colour: Colour, by: int = 18) -> Colour:
    red, green, blue = (
        max(0, min(255, value + by_how_much))
        for value, by_how_much in zip(colour, rng.integers(-by, by + 1, size=3).tolist(), strict=True)
    )
    return red, green, blue


def _pick(rng: Random, colours: list[Colour]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _smooth(rng: Random, coarse: int) -> NDArray[np.float32]:
    """A soft random field, 0–1, shape (240, 320): three octaves, the coarsest `coarse` cells wide."""
    total = np.zeros((240, 320), dtype=np.float32)
    for octave in range(3):
        cells = coarse * 2**octave
        field = Image.fromarray(rng.random((max(2, cells * 3 // 4), cells), dtype=np.float32))
        total += np.asarray(field.resize((320, 240), Image.Resampling.BICUBIC)) / 2**octave
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def _backdrop(top: Colour, bottom: Colour, clouds: NDArray[np.float32], cloud: Colour) -> Canvas:
    """From `top` to `bottom`, with `cloud` where the field `clouds` (0–1) is high."""
    down = np.linspace(0, 1, 240, dtype=np.float32)[:, None, None]
    sky = np.asarray(top, np.float32) * (1 - down) + np.asarray(bottom, np.float32) * down
    veil = clouds[:, :, None]
    pixels = sky * (1 - veil) + np.asarray(cloud, np.float32) * veil
    small = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return Canvas(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def _ridge(rng: Random, level: float, height: float, roughness: float) -> list[float]:
    """The y of a skyline every 10 pixels: a sum of waves, rougher ones being smaller."""
    x = np.arange(0, WIDTH + 20, 10)
    line = np.full(x.shape, level)
    for octave in range(6):
        wave = 2 * math.pi * (1.3 * 2**octave) / WIDTH
        line += height * roughness**octave * np.sin(x * wave + rng.uniform(0, 2 * math.pi))
    return [float(y) for y in line]


def _landscape(rng: Random) -> Canvas:
    mood = rng.choice(["day", "dusk", "fog"], p=[0.6, 0.25, 0.15])
    top, bottom, land = {
        "day": ((70, 130, 205), (200, 220, 235), (55, 85, 40)),
        "dusk": ((60, 60, 120), (245, 160, 95), (45, 35, 45)),
        "fog": ((190, 195, 200), (215, 216, 216), (120, 128, 125)),
    }[str(mood)]
    top, bottom, land = _varied(rng, top, 25), _varied(rng, bottom), _varied(rng, land, 22)
    clouds = np.clip((_smooth(rng, 4) - rng.uniform(0.35, 0.7)) * 2.2, 0, 0.9)
    canvas = _backdrop(top, bottom, clouds, _varied(rng, (240, 238, 235), 12))
    layers = int(rng.integers(3, 6))
    horizon = HEIGHT * rng.uniform(0.35, 0.6)
    for layer in range(layers):
        near = (layer + 1) / layers
        colour = _mix(bottom, land, 0.25 + 0.75 * near)
        level = horizon + (HEIGHT - horizon) * 0.75 * near**1.5
        line = _ridge(rng, level, rng.uniform(20, 80) * (1.2 - near * 0.6), 0.52)
        points = [(index * 10.0, y) for index, y in enumerate(line)]
        canvas.polygon([*points, (WIDTH + 10.0, HEIGHT), (0.0, HEIGHT)], colour, round(10 + 55 * near))
        if rng.random() < 0.75 and near > 0.45:
            _trees(rng, canvas, points, _mix(colour, (15, 30, 18), 0.5), 12 + 50 * near)
    if rng.random() < 0.4:
        _water(rng, canvas, _mix(bottom, top, 0.4))
    return canvas


def _trees(rng: Random, canvas: Canvas, line: list[tuple[float, float]], colour: Colour, size: float) -> None:
    for x, y in line:
        for _ in range(int(rng.integers(0, 3))):
            height, centre = size * rng.uniform(0.5, 1.4), x + rng.uniform(-6, 6)
            tip, foot = (centre, y - height), height * 0.22
            canvas.polygon([tip, (centre + foot, y + 6), (centre - foot, y + 6)], _varied(rng, colour, 9), 60)


def _water(rng: Random, canvas: Canvas, colour: Colour) -> None:
    level = HEIGHT * rng.uniform(0.78, 0.9)
    canvas.rectangle((0, level, WIDTH, HEIGHT), colour, 14)
    for _ in range(120):
        y, x, length = rng.uniform(level, HEIGHT), rng.uniform(-50, WIDTH), rng.uniform(15, 110)
        canvas.draw.line((x, y, x + length, y), fill=_varied(rng, _mix(colour, (250, 250, 250), 0.35), 25), width=2)


def _street(rng: Random) -> Canvas:
    night = rng.random() < 0.3
    top, bottom = ((12, 14, 30), (40, 38, 55)) if night else ((105, 150, 205), (215, 222, 228))
    canvas = _backdrop(_varied(rng, top), _varied(rng, bottom), 0.5 * _smooth(rng, 5), bottom)
    walls: list[Colour] = [(165, 120, 95), (190, 180, 160), (120, 125, 135), (150, 90, 75), (205, 195, 185)]
    x = -rng.uniform(0, 80)
    while x < WIDTH:
        width, roof = rng.uniform(130, 320), HEIGHT * rng.uniform(0.08, 0.5)
        wall = _varied(rng, _pick(rng, walls))
        wall = _mix(wall, (10, 12, 22), 0.75) if night else wall
        canvas.rectangle((x, roof, x + width, HEIGHT), wall, 34)
        _windows(rng, canvas, (x, roof, width), wall, night)
        x += width
    street = HEIGHT * rng.uniform(0.82, 0.9)
    canvas.rectangle((0, street, WIDTH, HEIGHT), (28, 28, 34) if night else (98, 98, 100), 50)
    for _ in range(int(rng.integers(3, 9))):
        _walker(rng, canvas, street, night)
    return canvas


def _windows(rng: Random, canvas: Canvas, house: tuple[float, float, float], wall: Colour, night: bool) -> None:
    x, roof, width = house
    across, pitch = int(rng.integers(3, 7)), rng.uniform(58, 95)
    step = width / across
    y = roof + 22
    while y < HEIGHT * 0.82:
        for column in range(across):
            left = x + step * (column + 0.25)
            lit = rng.random() < (0.4 if night else 0.08)
            glass = _varied(rng, (250, 215, 140) if lit else _mix(wall, (35, 45, 60), 0.75), 14)
            canvas.rectangle((left, y, left + step * 0.5, y + pitch * 0.58), glass, 6)
            canvas.draw.rectangle(
                (left, y, left + step * 0.5, y + pitch * 0.58), outline=_mix(wall, (255, 255, 255), 0.3), width=3
            )
            canvas.draw.line((left + step * 0.25, y, left + step * 0.25, y + pitch * 0.58), fill=wall, width=2)
        y += pitch


def _walker(rng: Random, canvas: Canvas, street: float, night: bool) -> None:
    x, foot, tall = rng.uniform(0, WIDTH), street + rng.uniform(10, 90), rng.uniform(90, 170)
    coat = _mix(_varied(rng, (110, 60, 70), 70), (10, 10, 18), 0.6 if night else 0.1)
    canvas.ellipse((x - tall * 0.14, foot - tall * 0.85, x + tall * 0.14, foot - tall * 0.3), coat, 40)
    canvas.rectangle((x - tall * 0.08, foot - tall * 0.4, x + tall * 0.08, foot), _mix(coat, (20, 20, 30), 0.6), 30)
    canvas.ellipse((x - tall * 0.07, foot - tall, x + tall * 0.07, foot - tall * 0.83), (205, 160, 135), 12)


def _soft_background(rng: Random, colours: list[Colour]) -> Canvas:
    """Out of focus on purpose, as behind a portrait: a soft background is no fault."""
    base, other = _varied(rng, _pick(rng, colours), 25), _varied(rng, _pick(rng, colours), 25)
    canvas = _backdrop(base, _mix(base, (20, 22, 20), 0.4), _smooth(rng, 3), other)
    lights = Image.new("RGBA", canvas.picture.size)
    pen = ImageDraw.Draw(lights)
    for _ in range(int(rng.integers(0, 22))):
        x, y, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(15, 60)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*_varied(rng, other, 50), 60))
    canvas.picture.paste(lights, mask=lights)
    return canvas


def _portrait(rng: Random) -> Canvas:
    canvas = _soft_background(rng, [(80, 105, 70), (120, 110, 100), (70, 85, 110), (150, 130, 105)])
    skin = _pick(rng, [(232, 190, 165), (205, 155, 125), (150, 100, 75), (95, 65, 50)])
    hair = _varied(rng, _pick(rng, [(40, 28, 22), (95, 65, 38), (175, 140, 85), (120, 118, 118)]), 12)
    x, y, size = WIDTH * rng.uniform(0.32, 0.68), HEIGHT * rng.uniform(0.34, 0.46), HEIGHT * rng.uniform(0.15, 0.24)
    cloth = _varied(rng, (100, 90, 110), 70)
    canvas.ellipse((x - size * 2.1, y + size * 1.3, x + size * 2.1, y + size * 5), cloth, 45)
    canvas.rectangle(
        (x - size * 0.4, y + size * 0.7, x + size * 0.4, y + size * 1.6), _mix(skin, (60, 30, 20), 0.25), 8
    )
    canvas.ellipse((x - size * 1.05, y - size * 1.4, x + size * 1.05, y + size * 0.9), hair, 40)
    canvas.ellipse((x - size * 0.82, y - size * 1.1, x + size * 0.82, y + size * 1.15), skin, 9)
    for _ in range(260):
        angle = rng.uniform(math.pi * 1.02, math.pi * 1.98)
        root = (x + math.cos(angle) * size * 0.85, y - size * 0.3 + math.sin(angle) * size * 0.95)
        tip = (root[0] + math.cos(angle) * size * 0.25, root[1] + rng.uniform(-0.1, 0.6) * size)
        canvas.draw.line((*root, *tip), fill=_varied(rng, hair, 28), width=2)
    for side in (-1, 1):
        _eye(rng, canvas, x + side * size * 0.36, y - size * 0.08, size * 0.15, hair)
    canvas.draw.line(
        (x, y, x - size * 0.08, y + size * 0.35, x + size * 0.05, y + size * 0.37),
        fill=_mix(skin, (80, 40, 30), 0.4),
        width=3,
    )
    canvas.draw.chord((x - size * 0.3, y + size * 0.45, x + size * 0.3, y + size * 0.78), 10, 170, fill=(165, 75, 75))
    return canvas


def _eye(rng: Random, canvas: Canvas, x: float, y: float, size: float, brow: Colour) -> None:
    canvas.ellipse((x - size, y - size * 0.5, x + size, y + size * 0.5), (240, 238, 235), 2)
    iris = size * 0.48
    canvas.ellipse((x - iris, y - iris, x + iris, y + iris), _varied(rng, (85, 95, 90), 45), 30)
    canvas.ellipse((x - iris * 0.5, y - iris * 0.5, x + iris * 0.5, y + iris * 0.5), (12, 10, 10), 0)
    canvas.ellipse((x + 2, y - iris * 0.5, x + 2 + iris * 0.35, y - iris * 0.15), (255, 255, 255), 0)
    canvas.draw.arc((x - size * 1.2, y - size * 1.5, x + size * 1.2, y + size), 205, 335, fill=brow, width=6)


def _flowers(rng: Random) -> Canvas:
    canvas = _soft_background(rng, [(60, 95, 50), (85, 110, 60), (50, 75, 70), (120, 130, 80)])
    for _ in range(50):
        x, lean, top = rng.uniform(0, WIDTH), rng.uniform(-90, 90), HEIGHT * rng.uniform(0.35, 0.9)
        blade = _varied(rng, (65, 115, 50), 28)
        canvas.polygon([(x - 7, HEIGHT), (x + 7, HEIGHT), (x + lean, top)], blade, 45)
    petals: list[Colour] = [(235, 90, 100), (250, 205, 70), (235, 235, 240), (150, 90, 190), (240, 140, 60)]
    petal = _pick(rng, petals)
    for _ in range(int(rng.integers(3, 9))):
        x, y, size = rng.uniform(0.1, 0.9) * WIDTH, rng.uniform(0.15, 0.75) * HEIGHT, rng.uniform(55, 135)
        canvas.draw.line((x, y, x + rng.uniform(-30, 30), HEIGHT), fill=_varied(rng, (55, 100, 45)), width=9)
        _flower(rng, canvas, (x, y), size, _varied(rng, petal, 15))
    return canvas


def _flower(rng: Random, canvas: Canvas, centre: tuple[float, float], size: float, colour: Colour) -> None:
    count, turn = int(rng.integers(5, 13)), rng.uniform(0, 1)
    x, y = centre
    for petal in range(count):
        angle = 2 * math.pi * (petal + turn) / count
        outline = []
        for along, aside in ((0.1, 0.0), (0.55, 0.24), (0.9, 0.16), (1.0, 0.0), (0.9, -0.16), (0.55, -0.24)):
            dx = size * (along * math.cos(angle) - aside * math.sin(angle))
            dy = size * (along * math.sin(angle) + aside * math.cos(angle))
            outline.append((x + dx, y + dy))
        canvas.polygon(outline, _varied(rng, colour, 16), 22)
        canvas.draw.line((x, y, *outline[3]), fill=_mix(colour, (90, 30, 40), 0.35), width=2)
    heart = size * 0.25
    canvas.ellipse((x - heart, y - heart, x + heart, y + heart), _varied(rng, (190, 140, 40)), 80)


def _pebbles(rng: Random) -> Canvas:
    tone = _varied(rng, _pick(rng, [(140, 132, 120), (115, 118, 122), (160, 140, 115)]))
    canvas = _backdrop(tone, _mix(tone, (30, 28, 26), 0.4), 0.3 * _smooth(rng, 6), (70, 66, 60))
    light = rng.uniform(-0.3, 0.3)
    for _ in range(420):
        x, y = rng.uniform(-40, WIDTH + 40), rng.uniform(-40, HEIGHT + 40)
        wide = rng.uniform(18, 75)
        high = wide * rng.uniform(0.55, 0.95)
        stone = _varied(rng, _mix(tone, _pick(rng, [(40, 38, 36), (225, 222, 215)]), rng.uniform(0, 0.5)), 8)
        canvas.ellipse((x - wide, y - high + 5, x + wide, y + high + 9), _mix(stone, (15, 14, 14), 0.75), 10)
        canvas.ellipse((x - wide, y - high, x + wide, y + high), stone, 38)
        glint = _mix(stone, (255, 255, 250), 0.28)
        canvas.ellipse((x + wide * (light - 0.4), y - high * 0.7, x + wide * (light + 0.4), y), glint, 30)
    return canvas


KINDS: dict[str, Callable[[Random], Canvas]] = {
    "hills": _landscape,
    "town": _street,
    "people": _portrait,
    "garden": _flowers,
    "beach": _pebbles,
}
"""What a shoot can show; the name becomes part of its folder's name."""

"""Bring whatever Pillow opens to one shape: 8-bit RGB, upright, no larger than asked for.

Pictures are reduced as early as their pixel format allows, so that colour conversion and everything after it
work on little.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from keeprate.pictures.colours import lab_to_srgb, to_srgb
from keeprate.pictures.errors import PictureError

OVERSIZE = 2
"""Pictures come out at least this much larger than asked for, so that the model's own resizing decides how they
look; JPEG's built-in reduction alone differs too much from it below 2×."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRIPE_ROWS = 256
_WHITE = (255, 255, 255)


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture by the size in its header, before anything is decoded.

    Raises:
        PictureError: it is larger than the limit, or has no pixels.
    """
    pixels = size[0] * size[1]
    if min(size) < 1:
        raise PictureError("the picture has no pixels")
    if pixels > max_pixels:
        raise PictureError(
            f"{_megapixels(pixels)} megapixels is above the limit of {_megapixels(max_pixels)} "
            "(pictures.max_megapixels)"
        )


def draft(image: Image.Image, shortest_edge: int) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8 as long as its shortest edge stays `OVERSIZE` times as asked.

    ITU-T T.81 decoders do this by leaving out high frequencies: 4 times faster for 12 megapixels at 224.
    """
    least = OVERSIZE * shortest_edge
    narrow = min(image.size)
    if narrow > least:
        image.draft(None, (-(-image.width * least // narrow), -(-image.height * least // narrow)))


def reduce(image: Image.Image, shortest_edge: int) -> Image.Image:
    """A loaded image as 8 bits a channel, reduced by the largest whole number that leaves it large enough."""
    image = _eight_bit(image)
    factor = min(image.size) // (OVERSIZE * shortest_edge)
    return image.reduce(factor) if factor >= 2 else image


def upright_rgb(image: Image.Image, orientation: int, profile: object, shortest_edge: int) -> Image.Image:
    """An image of `reduce` in sRGB, turned as its Exif orientation (1–8) says.

    `profile` is the ICC profile that the file holds (bytes), or anything else if it holds none.

    Transparent pictures are laid on white: that is what they are made for (logos, drawings, screenshots with
    dark text), and what viewers show them on.
    """
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, _WHITE)
        paper.paste(image, mask=image.getchannel("A"))
        image = paper
    if image.mode == "LAB":
        image = lab_to_srgb(image)
    elif image.mode != "RGB":
        image = image.convert("RGB")  # CMYK by the plain formula: print profiles are large and rare among photos
    else:
        image = to_srgb(image, profile, OVERSIZE * shortest_edge)
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f}" if pixels >= 10_000_000 else f"{pixels / 1e6:.2g}"


def _eight_bit(image: Image.Image) -> Image.Image:
    """A mode with 8 bits a channel that can be reduced: no palettes, no bits, no wide numbers, no colour keys."""
    mode = image.mode
    if mode == "1":
        return image.convert("L")
    if mode in ("P", "PA"):
        return image.convert("RGBA" if mode == "PA" or "transparency" in image.info else "RGB")
    if mode.startswith("I") or mode == "F":
        return _narrow(image)
    if mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("RGBA")
    return image


def _narrow(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point grey as 8-bit grey, stripe by stripe: numpy never holds the whole picture."""
    black, white = _range(image)
    scale = 255.0 / (white - black)
    grey = np.empty((image.height, image.width), np.uint8)
    for top in range(0, image.height, _STRIPE_ROWS):
        bottom = min(top + _STRIPE_ROWS, image.height)
        values = np.asarray(image.crop((0, top, image.width, bottom))).astype(np.float64)
        values = np.nan_to_num((values - black) * scale, nan=0.0, posinf=255.0, neginf=0.0)
        grey[top:bottom] = np.clip(values + 0.5, 0, 255)
    return Image.fromarray(grey)


def _range(image: Image.Image) -> tuple[float, float]:
    """The values that stand for black and white.

    16-bit samples use their whole range. 32-bit and float samples say nowhere what white is: the smallest usual
    white that holds the largest value (1 for floats, 255, 65535), else the largest value; black is 0, or the
    smallest value if that is below.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    lowest, highest = _extremes(image)
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((value for value in usual if highest <= value), highest)
    return min(0.0, lowest), white


def _extremes(image: Image.Image) -> tuple[float, float]:
    """The smallest and the largest finite value."""
    lowest, highest = 0.0, 0.0
    for top in range(0, image.height, _STRIPE_ROWS):
        stripe = np.asarray(image.crop((0, top, image.width, min(top + _STRIPE_ROWS, image.height))))
        finite = stripe[np.isfinite(stripe)]
        if finite.size:
            lowest, highest = min(lowest, float(finite.min())), max(highest, float(finite.max()))
    return lowest, highest

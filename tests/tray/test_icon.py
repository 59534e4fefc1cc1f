"""The icon is readable on dark and light panels, and its states can be told apart without seeing colours."""

from __future__ import annotations

from itertools import combinations

import pytest
from PIL import Image, ImageChops, ImageColor, ImageStat

from keeprate.tray.icon import COLOURS, DARK, LIGHT, SIGN, draw_icon
from keeprate.tray.state import IconKind

PANELS = ("#000000", "#2d2d2d", "#808080", "#ececec", "#ffffff")


def luminance(colour: str) -> float:
    parts = [value / 255 for value in ImageColor.getrgb(colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """As WCAG has it; 3 is enough for signs."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("panel", PANELS)
def test_one_of_its_edges_stands_out_from_every_panel(panel: str) -> None:
    assert max(contrast(panel, LIGHT), contrast(panel, DARK)) >= 3


@pytest.mark.parametrize("kind", COLOURS)
def test_the_sign_stands_out_from_its_card(kind: IconKind) -> None:
    assert contrast(SIGN, COLOURS[kind]) >= 3


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("size", [16, 22, 64])
def test_all_kinds_differ_in_grey(size: int, panel: str) -> None:
    def seen(kind: IconKind) -> Image.Image:
        shown = Image.new("RGB", (size, size), panel)
        icon = draw_icon(kind, size)
        shown.paste(icon, (0, 0), icon)
        return shown.convert("L")

    for one, other in combinations(COLOURS, 2):
        difference = ImageStat.Stat(ImageChops.difference(seen(one), seen(other))).mean[0]
        assert difference > 8, f"{one} and {other} look alike at {size} pixels"


def test_it_is_transparent_around_the_card() -> None:
    icon = draw_icon("idle")
    assert icon.size == (64, 64)
    assert icon.getpixel((0, 0)) == (0, 0, 0, 0)
    assert icon.getpixel((32, 4))[3] == 255  # type: ignore[index]

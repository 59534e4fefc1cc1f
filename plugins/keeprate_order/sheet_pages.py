"""The pages of a contact sheet as HTML: no script, no style or font from elsewhere, everything escaped. Pure.

The first page is a file of the user's choice, all else lies in a folder beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from keeprate.plugin_api import ScoredPhoto
from keeprate_order import thumbnails
from keeprate_order.selection import Section

PHOTOS_A_PAGE = 300
OURS = "<!DOCTYPE html>\n<!-- Made by keeprate, which replaces this file. Deleting it harms no photo. -->\n"
"""How every page begins; a file that begins otherwise is not ours."""
THUMBNAILS = "thumbnails"

_STYLE = """\
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
nav a, nav b { margin-right: .6rem; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem;
  list-style: none; margin: 1rem 0; padding: 0; }
li a { color: inherit; text-decoration: none; }
li img { display: block; width: 100%; height: 9rem; object-fit: contain; background: #8882; overflow: hidden; }
li span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
li b { font-variant-numeric: tabular-nums; }"""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is the same on every page."""

    title: str
    subtitle: str
    page: Path
    """The first page."""
    files: Path
    """The folder beside it."""
    relative_paths: bool
    """Whether the links to the photos are relative."""

    def folder_of(self, number: int) -> Path:
        """Where the addresses on page `number` count from, links resolved."""
        return Path(os.path.realpath(self.path_of(number).parent))

    def path_of(self, number: int) -> Path:
        """Where page `number` lies; the first is 1."""
        return self.page if number == 1 else self.files / f"page-{number}.html"


def pages_of(sheet: Sheet, sections: Sequence[Section]) -> dict[Path, bytes]:
    """Every page with its content, in UTF-8."""
    rows = [(section.name, photo) for section in sections for photo in section.photos]
    count = max(1, -(-len(rows) // PHOTOS_A_PAGE))
    return {
        sheet.path_of(number): _page(
            sheet, number, count, rows[(number - 1) * PHOTOS_A_PAGE : number * PHOTOS_A_PAGE]
        ).encode("utf-8", errors="replace")  # names whose bytes are no UTF-8
        for number in range(1, count + 1)
    }


def _page(sheet: Sheet, number: int, count: int, rows: Sequence[tuple[str, ScoredPhoto]]) -> str:
    title = escape(sheet.title)
    navigation = _navigation(sheet, number, count)
    return "".join(
        (
            OURS,
            '<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="referrer" content="no-referrer">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n",
            f"<h1>{title}</h1>\n<p>{escape(sheet.subtitle)}</p>\n{navigation}",
            *_lists(sheet, number, rows),
            f"{navigation}</body>\n</html>\n",
        )
    )


def _navigation(sheet: Sheet, number: int, count: int) -> str:
    if count == 1:
        return ""
    here = sheet.folder_of(number)
    links = (
        f"<b>{other}</b>" if other == number else f'<a href="{_address(sheet.path_of(other), here)}">{other}</a>'
        for other in range(1, count + 1)
    )
    return f"<nav>{''.join(links)}</nav>\n"


def _lists(sheet: Sheet, number: int, rows: Sequence[tuple[str, ScoredPhoto]]) -> Iterator[str]:
    """The photos, in a list for each section, whose name stands above."""
    here, before = sheet.folder_of(number), None
    for name, photo in rows:
        if name != before:
            if before is not None:
                yield "</ol>\n"
            if name:
                yield f"<h2>{escape(name)}</h2>\n"
            yield "<ol>\n"
            before = name
        yield _item(sheet, photo, here)
    if before is not None:
        yield "</ol>\n"


def _item(sheet: Sheet, photo: ScoredPhoto, here: Path) -> str:
    name = escape(photo.path.name)
    target = _address(photo.path, here) if sheet.relative_paths else f"file://{_quoted(str(photo.path))}"
    small = _address(sheet.files / THUMBNAILS / thumbnails.file_name(photo), here)
    words = [f"<b>{photo.score:.2f}</b>"]
    if photo.label is not None:
        words.append(escape(photo.label))
    if photo.taken_at is not None:
        words.append(f"{photo.taken_at:%Y-%m-%d}")
    return (
        f'<li><a href="{target}" title="{escape(str(photo.path))}"><img src="{small}" alt="{name}" loading="lazy">'
        f"<span>{' · '.join(words)}</span><span>{name}</span></a></li>\n"
    )


def _address(target: Path, here: Path) -> str:
    return _quoted(os.path.relpath(target, here))


def _quoted(path: str) -> str:
    """Percent-encoded; `./` keeps a name with a colon from being read as a scheme."""
    text = quote(os.fsencode(path))
    return text if text[:1] in ("/", ".") else f"./{text}"

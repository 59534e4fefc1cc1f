"""The documentation is part of the program: commands, options, settings, links and messages in it must exist.

What is checked: the pages of docs/reference are what the sources say, every `keeprate …` command in any page parses,
every link leads somewhere, every kind of error has its section, and the photo manager of docs/plugins.md works.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

import keeprate
from keeprate.cli.main import app
from keeprate.config.models import Config
from keeprate.errors import KeeprateError
from keeprate.plugin_api import ENTRY_POINT_GROUP, Change, LibraryPlace, PhotoManager, UndoOutcome
from support.ordered import Journal, scored

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?:^|^\$ |[;&|] *|/)keeprate(?= [a-z-])")
"""The program's name where a shell looks for a program, or behind its folder, with something after it."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---- pages ----


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code in a page."""

    page: Path
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A command that a page names."""

    page: Path
    text: str
    """What follows `keeprate`."""
    complete: bool
    """Meant to be typed as it stands: arguments that are required must be there."""


def split(page: Path) -> tuple[str, list[Block]]:
    """The prose of a page, and its fenced blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    inside: list[str] | None = None
    language = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            if inside is None:
                inside, language = [], line.strip().strip("`")
            else:
                blocks.append(Block(page, language, "\n".join(inside)))
                inside = None
        elif inside is None:
            prose.append(line)
        else:
            inside.append(line)
    assert inside is None, f"{named(page)} has a fence that is not closed"
    return "\n".join(prose), blocks


def commands_in(page: Path) -> Iterator[Said]:
    """Every keeprate command in code: whole lines in blocks, and the short forms in running text."""
    prose, blocks = split(page)
    for block in blocks:
        for line in block.text.splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue  # what the command printed
            if block.language in ("sh", "console", "ini", "crontab"):
                yield from (Said(page, line[found.end() :], True) for found in COMMAND.finditer(line))
    for code in re.findall(r"`(keeprate [^`]+)`", " ".join(prose.split())):
        yield Said(page, code.removeprefix("keeprate"), False)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    prose, _ = split(page)
    titles = re.findall(r"(?m)^#+ +(.+?) *$", prose)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    prose, _ = split(page)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", split(page)[0])
    }
    folders = {path for path in linked if path.is_dir()}
    lonely = [named(page) for page in PAGES[1:] if page not in linked and page.parent not in folders]
    assert lonely == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_blocks_of_settings_are_toml(page: Path) -> None:
    for block in split(page)[1]:
        if block.language == "toml":
            tomllib.loads(block.text)


# ---- commands and settings ----


def complaint(said: Said) -> str | None:
    """Why a command would be refused before it does anything; None if it would not."""
    line = re.split(r"\s(?:#|\||>|<|&&|2>)|;", said.text + " ", maxsplit=1)[0]
    words = shlex.split(line)
    group: Any = typer.main.get_command(app)
    path = ["keeprate"]
    while words and hasattr(group, "commands"):
        child = group.commands.get(words[0])
        if child is None:
            break
        path.append(words.pop(0))
        group = child
    alone = getattr(group, "invoke_without_command", False) and all(word.startswith("-") for word in words)
    if hasattr(group, "commands") and not alone and (words[:1] not in (["--help"], ["--version"]) or words[1:]):
        known = words == [] and len(path) > 1 and not said.complete  # the name of a group, in running text
        return None if known else f"{' '.join(path)} has no command {words[:1]}"
    try:
        group.make_context(path[-1], list(words))
    except typer.Exit:
        return None
    except Exception as error:
        if said.complete or "Missing" not in str(error) + type(error).__name__:
            return f"keeprate{said.text}: {error}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_in_pages_would_be_accepted(page: Path) -> None:
    assert [found for said in commands_in(page) if (found := complaint(said)) is not None] == []


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ("list --order asc --top 50", True),
        ("sync --quiet  # every hour", True),
        ("list --odrer asc", False),
        ("list --top many", False),
        ("lsit", False),
        ("init", False),
        ("model", False),
        ("jobs --json", True),
        ("jobs dance", False),
        ("--version", True),
    ],
)
def test_the_check_of_commands_can_fail(line: str, accepted: bool) -> None:
    assert (complaint(Said(ROOT, f" {line}", complete=True)) is None) == accepted


def test_pages_name_many_commands() -> None:
    """The checks above look at something."""
    found = [said for page in PAGES for said in commands_in(page)]
    assert sum(said.complete for said in found) > 40
    assert len(found) > 100


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def commands_below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not hasattr(command, "commands"):
        yield path
        return
    for name, child in command.commands.items():
        yield from commands_below(child, (*path, name))


def test_every_command_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    commands = list(commands_below(typer.main.get_command(app), ("keeprate",)))
    assert len(commands) > 20
    assert [path for path in commands if f"## `{' '.join(path)}`\n" not in page] == []


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a section and of all sections below it."""
    for name, field in model.model_fields.items():
        yield name
        for type_ in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(type_, type) and issubclass(type_, BaseModel):
                yield from keys_of(type_)


def test_every_setting_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "config.md").read_text(encoding="utf-8")
    keys = set(keys_of(Config))
    assert {"root", "buckets", "stable_after", "min_new_labels"} <= keys
    assert [key for key in keys if f"| `{key}` |" not in page and f"[{key}]" not in page] == []


# ---- sources ----


def sources() -> list[Path]:
    return sorted(path for folder in ("daemon", "plugins") for path in (ROOT / folder).rglob("*.py"))


def test_every_module_says_what_it_is_for() -> None:
    silent = [named(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_bytes()))]
    assert len(sources()) > 80
    assert silent == []


def slugs_of(error: type[KeeprateError]) -> Iterator[str]:
    if error.__module__.partition(".")[0] in ("keeprate", "keeprate_order", "keeprate_xmp"):
        yield error.slug
    for child in error.__subclasses__():
        yield from slugs_of(child)


def test_every_kind_of_error_has_its_section() -> None:
    for module in pkgutil.walk_packages(keeprate.__path__, "keeprate."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    headings = set(re.findall(r"(?m)^## (.+)$", (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")))
    assert headings == set(slugs_of(KeeprateError))


# ---- the photo manager of docs/plugins.md ----


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[types.ModuleType]:
    """The code of the page, as a module."""
    code = next(block.text for block in split(ROOT / "docs" / "plugins.md")[1] if block.language == "python")
    file = tmp_path / "keeprate_list.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("keeprate_list", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["keeprate_list"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["keeprate_list"]


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    root = tmp_path / "Pictures"
    root.mkdir()
    return LibraryPlace("pictures", root)


@pytest.fixture
def manager(plugin: types.ModuleType, library: LibraryPlace) -> PhotoManager:
    made: PhotoManager = plugin.ListManager(library, plugin.ListSettings())
    return made


def test_the_plugin_keeps_the_list_and_takes_it_back(manager: PhotoManager, library: LibraryPlace) -> None:
    journal = Journal(library)
    file = library.root / "by-score.txt"
    best, middle, kept = (library.root / name for name in ("best.jpg", "b.jpg", "kept.jpg"))
    photos = [scored(middle, 0.4), scored(best, 0.9), scored(kept, 0.95, label="keep")]

    assert len(journal.run(manager, photos)) == 1
    assert file.read_text().splitlines() == [str(best), str(middle)]
    assert journal.run(manager, photos) == []
    assert len(journal.run(manager, photos[1:])) == 1
    assert file.read_text().splitlines() == [str(best)]

    assert journal.undo_all(manager) == [UndoOutcome.REMOVED_OURS, UndoOutcome.GONE]
    assert list(library.root.iterdir()) == []


def test_the_plugin_leaves_alone_what_is_not_its_own(manager: PhotoManager, library: LibraryPlace) -> None:
    file = library.root / "by-score.txt"
    photos = [scored(library.root / "a.jpg", 0.4)]
    file.write_text("my own list")
    journal = Journal(library)
    assert journal.run(manager, photos) == []
    assert [skipped.path for skipped in journal.skipped] == [file]

    file.unlink()
    journal.run(manager, photos)
    file.write_text("changed by hand")
    assert journal.run(manager, []) == []
    assert journal.undo_all(manager) == [UndoOutcome.NOT_OURS]
    assert file.read_text() == "changed by hand"


def test_the_plugin_refuses_when_somebody_was_faster(
    manager: PhotoManager, library: LibraryPlace, plugin: types.ModuleType
) -> None:
    journal = Journal(library)
    file = library.root / "by-score.txt"
    (change,) = manager.plan(journal.request([scored(library.root / "a.jpg", 0.4)]))
    assert isinstance(change, Change)
    file.write_text("mine")
    with pytest.raises(plugin.MarkRefusedError):
        manager.apply(change)
    assert file.read_text() == "mine"


def test_the_plugin_skips_names_that_a_list_cannot_hold(manager: PhotoManager, library: LibraryPlace) -> None:
    journal = Journal(library)
    journal.run(manager, [scored(library.root / "two\nlines.jpg", 0.9), scored(library.root / "a.jpg", 0.4)])
    assert (library.root / "by-score.txt").read_text().splitlines() == [str(library.root / "a.jpg")]


def test_the_entry_point_of_the_page_names_its_class(plugin: types.ModuleType) -> None:
    blocks = [block for block in split(ROOT / "docs" / "plugins.md")[1] if block.language == "toml"]
    project = next(values for block in blocks if "project" in (values := tomllib.loads(block.text)))
    module, _, name = project["project"]["entry-points"][ENTRY_POINT_GROUP]["list"].partition(":")
    assert issubclass(getattr(plugin, name), PhotoManager)
    assert module == plugin.__name__

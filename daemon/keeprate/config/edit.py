"""Change the config file in few places, keeping everything else that the user wrote, comments included."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, InlineTable

from keeprate.config.load import load_config, parse_config
from keeprate.config.models import Config
from keeprate.errors import ConfigError
from keeprate.paths import make_own_folder
from keeprate.safe_files import replace_file

HEADER = """\
# keeprate's settings. Every key is explained in docs/reference/config.md; `keeprate config check` checks this file.
"""


def add_library(path: Path, library: dict[str, Any]) -> Config:
    """Append one `[[library]]` table to the file at `path` (made if missing) and return the config as it then is.

    Raises:
        ConfigError: the file is broken already, or would make no sense with this library; nothing is written.
    """
    load_config(path)  # a broken file is reported as it stands, before anything is added
    try:
        text = _read(path)
    except FileNotFoundError:
        text = HEADER
    document = tomlkit.parse(text)
    libraries = document.get("library")
    if not isinstance(libraries, AoT):
        libraries = tomlkit.aot()
        document["library"] = libraries
    libraries.append(tomlkit.item(library))
    return _replaced(path, _ended_as(text, tomlkit.dumps(document)))


@dataclass(frozen=True, slots=True)
class MarksEdit:
    """What `set_marks` would write or wrote."""

    config: Config
    changed: tuple[str, ...]
    """One line a key: `order.geeqie_collection: "" → "auto"`, in the order of the wish; `finder: new table`."""
    kept: tuple[str, ...]
    """Names of tables of the user's that were not asked for and stay."""
    differing: tuple[str, ...]
    """One line a key of `keep` that has another value in the file, which stays."""


def set_marks(
    path: Path,
    library: str,
    viewer: str,
    marks: dict[str, dict[str, Any]],
    *,
    keep: frozenset[str] = frozenset(),
    dry_run: bool = False,
) -> MarksEdit:
    """Give a library of the file at `path` the settings `marks` (photo manager → key → value) and note its viewer.

    Keys that are not in `marks` stay as they are, so do tables, and keys in `keep` (`order.view_folder`) that have a
    value already.

    Raises:
        ConfigError: the file is broken, or would make no sense; nothing is written.
        KeyError: there is no such library.
    """
    before = load_config(path).library_named(library)
    if before is None:
        raise KeyError(library)
    wanted = {name: dict(settings) for name, settings in before.marks.items()}
    changed: list[str] = []
    differing: list[str] = []
    for name, settings in marks.items():
        if name not in wanted and not settings:
            changed.append(f"{name}: new table")
        present = wanted.setdefault(name, {})
        for key, value in settings.items():
            where = f"{name}.{key}"
            if key not in present:
                changed.append(f"{where} = {_value(value)}")
            elif present[key] == value:
                continue
            elif where in keep:
                differing.append(f"{where} stays {_value(present[key])}")
                continue
            else:
                changed.append(f"{where}: {_value(present[key])} → {_value(value)}")
            present[key] = value
    text = _with_marks(path, library, viewer, wanted)
    if not dry_run and text != _read(path):
        _replaced(path, text)
    kept = tuple(sorted(before.marks.keys() - marks.keys()))
    return MarksEdit(parse_config(text, path), tuple(changed), kept, tuple(differing))


def _with_marks(path: Path, library: str, viewer: str, wanted: dict[str, dict[str, Any]]) -> str:
    """The text of the file once a library's table says so; only what differs is touched."""
    before = _read(path)
    document: Any = tomlkit.parse(before)
    table = next(one for one in document["library"] if one["name"] == library)
    if table.get("viewer", "folder") != viewer:
        table["viewer"] = viewer
    if "marks" not in table:
        table["marks"] = tomlkit.table(is_super_table=True)
    for name, settings in wanted.items():
        if name not in table["marks"]:
            inline = isinstance(table["marks"], InlineTable)
            table["marks"][name] = tomlkit.inline_table() if inline else tomlkit.table()
        for key, value in settings.items():
            if key not in table["marks"][name] or table["marks"][name][key] != value:
                table["marks"][name][key] = value
    text = _ended_as(before, tomlkit.dumps(document))
    # tables that are scattered over the file are more than tomlkit can always put together: look what came out
    after: dict[str, Any] = next((one for one in tomllib.loads(text)["library"] if one["name"] == library), {})
    if after.get("marks") != wanted or after.get("viewer", "folder") != viewer:
        raise ConfigError(
            "The marks cannot be put into the config file as it is laid out.",
            path=path,
            advice=f"Put the lines that `keeprate profile {viewer}` prints into it yourself.",
        )
    return text


def _read(path: Path) -> str:
    """The text with its line ends as they are."""
    return path.read_bytes().decode()


def _ended_as(before: str, text: str) -> str:
    """The text with the line ends of Windows, where all lines ended so; what is new has others."""
    lines = before.count("\n")
    return re.sub("\r?\n", "\r\n", text) if lines and before.count("\r\n") == lines else text


def _value(value: Any) -> str:
    return str(tomlkit.item(value).as_string())


def _replaced(path: Path, text: str) -> Config:
    """Write the file if its text makes sense."""
    config = parse_config(text, path)
    try:
        make_own_folder(path.parent)
        is_new = not path.exists()
        replace_file(path, text.encode())
        if is_new:
            path.chmod(0o600)  # it names folders; what the user makes of it later stays
    except OSError as error:
        raise ConfigError(f"The config file cannot be written: {error.strerror}.", path=path) from error
    return config

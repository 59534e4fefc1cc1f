"""Find photo managers, check their settings, build them. The core never names one: entry points do."""

from __future__ import annotations

import dataclasses
import difflib
import os
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from pydantic import TypeAdapter, ValidationError

from keeprate.config.models import Config, LibraryConfig
from keeprate.errors import ConfigError, KeeprateError
from keeprate.plugin_api import ENTRY_POINT_GROUP, LibraryPlace, PhotoManager


@cache
def manager_type(name: str) -> type[PhotoManager] | None:
    """The class of the photo manager called `name`; None if none of that name is installed.

    Raises:
        KeeprateError: it cannot be imported; says why.
    """
    found = next(iter(entry_points(group=ENTRY_POINT_GROUP, name=name)), None)
    if found is None:
        return None
    try:
        type_: type[PhotoManager] = found.load()
    except Exception as error:
        raise KeeprateError(
            f"The photo manager {name!r} cannot be loaded: {error}.",
            advice=f"Reinstall or remove the package that brings it ({found.value}).",
        ) from error
    return type_


def manager_names() -> list[str]:
    """Names of the installed photo managers, without importing any."""
    return sorted(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))


def managers_for(library: LibraryConfig) -> dict[str, PhotoManager]:
    """The photo managers that the config names for a library, ready to work.

    Raises:
        ConfigError: one is not installed, or a setting is unknown or of the wrong kind.
    """
    place = LibraryPlace(library.name, library.root)
    return {
        name: _type_named(library, name)(place, _settings(library, name, values))
        for name, values in library.marks.items()
    }


def readers_for(library: LibraryConfig) -> dict[str, PhotoManager]:
    """The installed photo managers that can read the user's marks, whether or not the config names them.

    Raises:
        ConfigError: see `managers_for`.
        KeeprateError: one cannot be loaded; says why.
    """
    configured = managers_for(library)
    place = LibraryPlace(library.name, library.root)
    found: dict[str, PhotoManager] = {}
    for name in manager_names():
        type_ = manager_type(name)
        if type_ is not None and type_.reads_marks:
            found[name] = configured.get(name) or type_(place, type_.settings_type())
    return found


def check_marks(config: Config) -> None:
    """Check every `[library.marks.…]` table, and that no two settings name one place, however they spell it.

    Raises:
        ConfigError: see `managers_for`; or it names both settings.
    """
    owners: dict[str, str] = {}
    for library in config.library:
        for name, manager in managers_for(library).items():
            for place in manager.places():
                owner = f"library {library.name!r}: marks.{name} ({place})"
                other = owners.setdefault(os.path.realpath(place), owner)
                if other is not owner:
                    raise ConfigError(
                        f"Two settings name one place and would replace each other's work: {other}, and {owner}.",
                        advice="Give one of them a place of its own.",
                    )


def _type_named(library: LibraryConfig, name: str) -> type[PhotoManager]:
    type_ = manager_type(name)
    if type_ is None:
        names = manager_names()
        near = difflib.get_close_matches(name, names, n=1)
        raise ConfigError(
            f"Library {library.name!r} wants marks by {name!r}, which is not installed"
            + (f" (did you mean {near[0]!r}?)." if near else "."),
            advice=f"Installed are: {', '.join(names)}.",
        )
    return type_


def _settings(library: LibraryConfig, name: str, values: dict[str, Any]) -> Any:
    settings_type = _type_named(library, name).settings_type
    known = [field.name for field in dataclasses.fields(settings_type)]
    where = f"library {library.name!r}: marks.{name}"
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ConfigError(
                f"{where}.{key} is not a setting" + (f" (did you mean {near[0]!r}?)." if near else "."),
                advice=f"Known are: {', '.join(known)}.",
            )
    try:
        return TypeAdapter(settings_type).validate_python(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise ConfigError(f"{where}.{key}: {problem['msg']}.", advice="See docs/reference/config.md.") from error

"""Read the config file; every mistake becomes one sentence that names the key and, if it can, the right one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from keeprate.config.models import Config
from keeprate.errors import ConfigError


def load_config(path: Path) -> Config:
    """The config in `path`; a missing file is an empty config.

    Raises:
        ConfigError: it cannot be read, is no TOML, or says something that makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise ConfigError(
            f"The config file cannot be read: {error.strerror}.",
            path=path,
            advice="Look at its permissions.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("The config file is not UTF-8 text.", path=path, advice="Save it as UTF-8.") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> Config:
    """The config that `text` says; `path` is only for the error message.

    Raises:
        ConfigError: see `load_config`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The config file is not valid TOML: {error}.", path=path, advice="Correct that line."
        ) from error
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        sentences = [_sentence(problem, raw) for problem in error.errors()]
        raise ConfigError(
            "The config file makes no sense: " + "; ".join(sentences) + ".",
            path=path,
            advice="Correct it, then run `keeprate config check`.",
        ) from error


def _sentence(problem: Any, raw: dict[str, Any]) -> str:
    where = _readable_place(problem["loc"], raw)
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        known = _known_keys(problem["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1)
        return f"{where} is not a setting" + (f" (did you mean {near[0]!r}?)" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}" if where else message


def _readable_place(location: Sequence[int | str], raw: dict[str, Any]) -> str:
    """`("library", 0, "root")` → `library "camera": root`."""
    parts = list(location)
    if len(parts) >= 2 and parts[0] == "library" and isinstance(parts[1], int):
        libraries = raw.get("library", [])
        library = libraries[parts[1]] if parts[1] < len(libraries) else {}
        name = library.get("name") if isinstance(library, dict) else None
        head = f'library "{name}"' if name else f"library number {parts[1] + 1}"
        rest = ".".join(str(part) for part in parts[2:])
        return f"{head}: {rest}" if rest else head
    return ".".join(str(part) for part in parts)


def _known_keys(location: Sequence[int | str]) -> list[str]:
    """The keys that the table at `location` may have."""
    model: Any = Config
    for part in location:
        if isinstance(part, int):
            continue
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(part)
            if field is None:
                return []
            model = _inner(field.annotation)
        # within a dict[str, Model] the part is the user's own name: the model stays
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _inner(annotation: Any) -> Any:
    """The model inside `tuple[Model, ...]`, `dict[str, Model]` or `Model`."""
    if get_origin(annotation) is None:
        return annotation
    models = [argument for argument in get_args(annotation) if isinstance(argument, type)]
    return next((model for model in models if issubclass(model, BaseModel)), annotation)

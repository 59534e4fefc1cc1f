"""Extend the config file by one library, keeping everything that the user wrote, comments included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT

from keeprate.config.load import load_config, parse_config
from keeprate.config.models import Config
from keeprate.errors import ConfigError
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
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = HEADER
    document = tomlkit.parse(text)
    libraries = document.get("library")
    if not isinstance(libraries, AoT):
        libraries = tomlkit.aot()
        document["library"] = libraries
    libraries.append(tomlkit.item(library))
    written = tomlkit.dumps(document)
    config = parse_config(written, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, written.encode())
    except OSError as error:
        raise ConfigError(f"The config file cannot be written: {error.strerror}.", path=path) from error
    return config

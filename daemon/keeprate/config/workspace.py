"""The config of a home: what the file says and, in a workspace, what its folders say.

In a workspace `heads/<head>/<bucket>/` is all there is to configure: each folder below `heads/` is a head, each folder
in it a bucket. `.keeprate/config.toml` may hold every other setting. Folders are looked at whenever a config is read:
at each command, and when the daemon starts.
"""

from __future__ import annotations

import os
from pathlib import Path

from keeprate.config.load import load_config
from keeprate.config.models import Config, HeadConfig, LibraryConfig, unusable_as_head
from keeprate.errors import ConfigError
from keeprate.paths import Home

LIBRARY = "workspace"
"""What the one library of a workspace is called."""
NESTED = "*/*/*/*"
"""Pictures lie directly in their bucket; what lies deeper is somebody's own business."""


def config_of(home: Home) -> Config:
    """The config that is in force for `home`.

    Raises:
        ConfigError: the file makes no sense, or names libraries in a workspace; or a folder has a name that no head or
            bucket can have.
    """
    config = load_config(home.config_file)
    if home.workspace is None:
        return config
    if config.library:
        raise ConfigError(
            "A workspace has its heads from its folders: there can be no [[library]] in its config file.",
            path=home.config_file,
            advice="Remove it, or work without --workspace (KEEPRATE_WORKSPACE, HEADMASTER_WORKSPACE).",
        )
    library = _library(home.workspace / "heads")
    return config if library is None else config.model_copy(update={"library": (library,)})


def _library(root: Path) -> LibraryConfig | None:
    """The library whose heads are the folders below `root`; None: there are none."""
    names = _folders(root)
    for name in names:
        if (reason := unusable_as_head(name)) is not None:
            raise ConfigError(f"The head of this folder {reason}.", path=root / name, advice="Rename the folder.")
    heads = {name: HeadConfig.model_construct(buckets=_buckets(root, name)) for name in names}
    if not heads:
        return None
    return LibraryConfig.model_validate(
        {"name": LIBRARY, "root": root, "exclude": (NESTED,), "heads": heads, "forget_vanished": True}
    )


def _buckets(root: Path, head: str) -> dict[str, tuple[str, ...]]:
    """The buckets of a head, possibly fewer than two: training then says what is missing.

    Of two, the alphabetically last one is first, so that its probability is the score: headmaster's sigmoid means
    `classes[1]`. (With the names of its examples: positive before negative.)
    """
    names = _folders(root / head)
    if len(names) == 2:
        names.reverse()
    return {name: (f"{head}/{name}",) for name in names}


def _folders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, sorted; hidden ones and such as read like a pattern are left out.

    A name that is no text is refused, not left out: without one of its buckets a head would learn another question.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _counts(entry))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(
            f"The workspace cannot be read: {error.strerror}.", path=folder, advice="Look at its permissions."
        ) from error
    for name in names:
        if not _is_text(name):
            raise ConfigError(
                "The name of a folder is not UTF-8, so no head or bucket can be called so.",
                path=folder / name,
                advice="Rename the folder, or move it out of heads/.",
            )
    return names


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _counts(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and not entry.name.startswith(".") and entry.name != "**"

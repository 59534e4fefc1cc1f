"""The config: can it be read, and does everything that it names exist?"""

from __future__ import annotations

from collections.abc import Iterator

from keeprate.config.models import Config
from keeprate.config.workspace import config_of
from keeprate.doctor.finding import Finding, Patient, error, ok, warning
from keeprate.errors import KeeprateError
from keeprate.paths import Home
from keeprate.steps.marks.managers import check_marks


def config_or_empty(home: Home) -> Config:
    """The config, or an empty one where it makes no sense: everything else can still be looked at."""
    try:
        return config_of(home)
    except KeeprateError:
        return Config()


def look_at_config(patient: Patient) -> Iterator[Finding]:
    """Read it again and tell what is wrong."""
    file = patient.home.config_file
    try:
        config = config_of(patient.home)
        check_marks(config)
    except KeeprateError as problem:
        yield error("config", f"{problem.what} ({problem.path or file})", problem.advice)
        return
    if config.library:
        names = ", ".join(library.name for library in config.library)
        many = "1 library" if len(config.library) == 1 else f"{len(config.library)} libraries"
        where = patient.home.workspace or file
        yield ok("config", f"{where} makes sense: {many} ({names}).")
    elif patient.home.workspace is not None:
        yield warning(
            "config",
            f"The workspace {patient.home.workspace} has no head yet.",
            "Make one folder for each bucket, such as heads/hotdog/positive and heads/hotdog/negative.",
        )
    else:
        yield warning("config", f"No library yet ({file}).", "`keeprate init ~/Pictures` makes the first one.")

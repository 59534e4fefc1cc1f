"""Write docs/reference from the commands' own help and the config's own models.

`python docs/generate.py` writes; `--check` fails if a page is not what it would write (CI and a test run that).
"""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from keeprate.api.app import make_app
from keeprate.api.context import Context
from keeprate.api.description import REFUSALS
from keeprate.api.metrics import described_figures
from keeprate.cli.main import app
from keeprate.config.durations import format_duration
from keeprate.config.models import (
    ApiConfig,
    Config,
    EmbeddingConfig,
    HeadConfig,
    JobsConfig,
    LibraryConfig,
    PicturesConfig,
    TrainingConfig,
    TrayConfig,
    WatchingConfig,
)
from keeprate.steps.marks.managers import manager_names, manager_type

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py; edit the source that it reads, not this page. -->\n\n"
MARKUP = re.compile(r"\[/?(?:bold|dim|italic|red|green)\]")


def plain(text: str | None) -> str:
    """Help text without rich's markup, on one line per paragraph."""
    paragraphs = MARKUP.sub("", text or "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def commands_page() -> str:
    """Every command with its arguments and options."""
    group = typer.main.get_command(app)
    lines = [NOTE + "# Commands\n", plain(group.help) + "\n"]
    lines.append(
        "Exit codes: 0 done, 1 failed, 2 usage, 3 daemon not running, 65 unusable catalog (of `run`), 69 no desktop, "
        "130 interrupted.\n"
    )
    for path, command in walk(group, ("keeprate",)):
        lines.append(f"## `{' '.join(path)}`\n")
        lines.append(plain(command.help) + "\n")
        rows = [row for parameter in command.params if (row := parameter_row(parameter)) is not None]
        if rows:
            lines += ["| argument or option | what it does | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def walk(command: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """All commands below a group, groups themselves left out."""
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [found for name, child in command.commands.items() for found in walk(child, (*path, name))]


def parameter_row(parameter: Any) -> str | None:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return None
    if parameter.param_type_name == "argument":
        name = f"`{(parameter.metavar or parameter.name).upper()}`"
    else:
        flags = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        name = flags if parameter.is_flag else f"{flags} `{value_of(parameter)}`"
    default = parameter.default
    shown = "" if default in (None, False) or callable(default) else f"`{getattr(default, 'value', default)}`"
    return f"| {name} | {cell(plain(getattr(parameter, 'help', '')))} | {shown} |"


def value_of(parameter: Any) -> str:
    """What an option takes: its choices, or the name of its kind."""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "/".join(str(member.value) for member in kind)
    return {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}.get(kind, "VALUE")


SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[[library]]", LibraryConfig),
    ("[library.heads.NAME]", HeadConfig),
    ("[watching]", WatchingConfig),
    ("[pictures]", PicturesConfig),
    ("[embedding]", EmbeddingConfig),
    ("[training]", TrainingConfig),
    ("[jobs]", JobsConfig),
    ("[api]", ApiConfig),
    ("[tray]", TrayConfig),
)

CONFIG_INTRO = """\
# The config file

One TOML file; `keeprate config path` prints where it is, `keeprate config check` checks it. `keeprate init FOLDER`
writes the first library into it and keeps your comments. Durations are written `90s`, `15m`, `6h`, `2d`.

```toml
[[library]]
name = "camera"
root = "~/Pictures/Camera"
viewer = "geeqie"
exclude = ["@eaDir", "*.lrdata"]

[library.heads.keep]
buckets = { keep = "keep", delete = ["delete", "trash:"] }

[library.marks.order]
view_folder = "~/Pictures/Camera by score"

[training]
every = "6h"
quiet_hours = "09:00-18:00"
```
"""


def config_page() -> str:
    """Every key of the config file."""
    known = {name for name, field in Config.model_fields.items() if name != "library" and field.annotation is not None}
    documented = {title.strip("[]") for title, _ in SECTIONS}
    assert known <= documented, f"sections without a page: {known - documented}"  # noqa: S101
    lines = [NOTE + CONFIG_INTRO]
    for title, model in SECTIONS:
        lines += [f"## `{title}`\n", capital(plain((model.__doc__ or "").split(": ", 1)[-1])) + "\n"]
        lines += ["| key | what it means | default |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            lines.append(f"| `{name}` | {cell(field.description or '')} | {default_text(field)} |")
        lines.append("")
    lines.append("## Marks\n")
    lines.append("Each installed photo manager has a table of its own in a library.\n")
    for name in manager_names():
        type_ = manager_type(name)
        assert type_ is not None  # noqa: S101 (its entry point names it)
        section = f"library.marks.{name}"
        about = plain((type_.__doc__ or "").split("\n\n")[0])
        lines += [f"### `[{section}]`\n", about + "\n", *settings_table(type_.settings_type)]
        for key, nested in nested_settings(type_.settings_type):
            lines += [f"### `[[{section}.{key}]]`\n", "As many of these tables as you like.\n", *settings_table(nested)]
    return "\n".join(lines)


def settings_table(settings_type: type[Any]) -> list[str]:
    """The keys of a photo manager's settings."""
    rows = [
        f"| `{field.name}` | {capital(cell(field.metadata.get('help', '')))} | `{toml(field.default)}` |"
        for field in dataclasses.fields(settings_type)
    ]
    return ["| key | what it means | default |", "|---|---|---|", *rows, ""]


def nested_settings(settings_type: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """Keys that hold a list of tables, and what each of these is."""
    for key, hint in typing.get_type_hints(settings_type).items():
        for part in typing.get_args(hint):
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                yield key, part


def default_text(field: Any) -> str:
    if field.default is PydanticUndefined:
        return ""
    if field.default is None:
        return ""
    value = format_duration(field.default) if hasattr(field.default, "total_seconds") else field.default
    return f"`{toml(value)}`"


def toml(value: Any) -> str:
    """A default as it would stand in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(toml(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"


API_INTRO = """\
# The api

What the running daemon can be asked over HTTP. [Use the api](../how-to/use-the-api.md) says how. All addresses begin
with `/api/v1`; the whole description, with schemas and an example of each, is at `/api/v1/openapi.json`. Answers are
those that `--json` prints for the command line. Version 1 will only gain: nothing is taken away.
"""

API_REFUSALS = """\
## When something goes wrong

The answer is `application/problem+json`: `type` is one of the headings of [Messages](../messages.md), or
`unknown-address` (no such address in this version) or `not-allowed` (no token, no open page, or another website asks);
`title` and `advice` are what the command line would say, `path` is the file concerned, and `details` say what exactly
is wrong.

"""

API_METRICS = """\
## Figures

With `[api] metrics = true`, `/metrics` has these for Prometheus. All are gauges, counted when they are asked for.

| name | labels | what it is |
|---|---|---|
"""


def api_page() -> str:
    """Every address of the api, and the figures."""
    # what the handlers work with is not needed to describe them
    described = make_app(typing.cast("Context", None), with_metrics=False).openapi()
    lines = [NOTE + API_INTRO, "| address | what it does | may be given |", "|---|---|---|"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            address = path.removeprefix("/api/v1") or "/api/v1"
            given = [f"`{one['name']}`" for one in operation.get("parameters", []) if one["in"] != "path"]
            given += ["a body" for _ in [operation.get("requestBody")] if _]
            about = cell(plain(operation["description"]))
            lines.append(f"| `{method.upper()} {address}` | {about} | {', '.join(given)} |")
    lines += ["", API_REFUSALS + "| status | what it means |", "|---|---|"]
    lines += [f"| {status} | {cell(why)} |" for status, why in REFUSALS.items()]
    lines += ["", API_METRICS.rstrip()]
    for name, labels, text in described_figures():
        lines.append(f"| `keeprate_{name}` | {', '.join(f'`{label}`' for label in labels)} | {cell(text)} |")
    return "\n".join(lines)


PAGES = {"commands.md": commands_page, "config.md": config_page, "api.md": api_page}


def main() -> int:
    checking = "--check" in sys.argv[1:]
    stale = []
    for name, page in PAGES.items():
        path, text = REFERENCE / name, page().rstrip() + "\n"
        if checking:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(str(path))
        else:
            REFERENCE.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"Not up to date: {', '.join(stale)}. Run `make docs`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

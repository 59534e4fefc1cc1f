"""The files of `service_files/`, filled in: each format with its own rules of quoting.

A wheel carries them beside this module; a checkout has them at its top. `@NAME@` is a place to fill; a line that
consists of a place for which there is nothing to say is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape as escape_xml

from keeprate.errors import UsageError

_PLACE = re.compile(r"@([A-Z_]+)@")
_DESKTOP_RESERVED = re.compile(r"""[\s"'\\><~|&;$*?#()`]""")
_REFUSED_IN_PATHS = re.compile("[\"'\\\\]")
BY_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')
"""What starts a program whose path systemd does not take: one with quotes or backslashes in it."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def template(name: str) -> str:
    """The text of `systemd/keeprate.service` and its like."""
    inside = Path(__file__).parent / "service_files"
    folder = inside if inside.is_dir() else Path(__file__).parents[3] / "service_files"
    return (folder / name).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with every place filled."""
    lines = []
    for line in text.splitlines():
        alone = _PLACE.fullmatch(line.strip())
        if alone is not None and alone[1] in values and not values[alone[1]]:
            continue
        lines.append(_PLACE.sub(lambda found: values.get(found[1], found[0]), line))
    return "\n".join(lines) + "\n"


def checked(value: str) -> str:
    """`value` if a text file of any of these formats can hold it.

    Raises:
        UsageError: it has control characters or bytes that are no text.
    """
    if _CONTROLS.search(value) or not _is_text(value):
        raise UsageError(
            "A name with line breaks, or with bytes that are no UTF-8, cannot stand in the file of a service.",
            path=Path(value.rpartition("=")[2] or value),
            advice="Rename the folder.",
        )
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- systemd (systemd.service(5) "Command lines", systemd.syntax(7), systemd.unit(5) "Specifiers") ----


def systemd_word(value: str) -> str:
    """One word of a command line or of `Environment=`, quoted if need be."""
    value = checked(value).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"' if re.search(r"[\s\"'\\;#]", value) or not value else value


def systemd_command(words: Sequence[str]) -> str:
    """A value for `ExecStart=`."""
    if _REFUSED_IN_PATHS.search(words[0]):
        words = (*BY_SHELL, *words)
    # In the program's own path a dollar is a dollar; with a colon in front it is one everywhere.
    prefix = ":" if any("$" in word for word in words) else ""
    return prefix + " ".join(systemd_word(word) for word in words)


def systemd_environment(variables: Sequence[tuple[str, str]]) -> str:
    lines = [f"Environment={systemd_word(f'{name}={value}')}" for name, value in variables]
    return "\n".join(["# As it was in your shell when this was installed.", *lines]) if lines else ""


# ---- desktop entries (Desktop Entry Specification 1.5, "The Exec key") ----


def desktop_string(value: str) -> str:
    """A value of the type string."""
    return checked(value).replace("\\", "\\\\")


def desktop_command(words: Sequence[str]) -> str:
    """A value for `Exec=`.

    Raises:
        UsageError: the program's path has an equals sign, which the format forbids.
    """
    if "=" in words[0]:
        raise UsageError(
            "A program whose path has an equals sign cannot be started by the desktop.",
            path=Path(words[0]),
            advice="Rename the folder, or leave the tray icon out: --no-tray.",
        )
    return desktop_string(" ".join(_desktop_word(word) for word in words))


def _desktop_word(word: str) -> str:
    word = word.replace("%", "%%")
    if word and not _DESKTOP_RESERVED.search(word):
        return word
    return '"' + re.sub(r'(["`$\\])', r"\\\1", word) + '"'


# ---- launchd (property lists in XML) ----


def plist_array(words: Sequence[str], indent: int = 8) -> str:
    return "\n".join(f"{' ' * indent}<string>{escape_xml(checked(word))}</string>" for word in words)


def plist_entries(variables: Sequence[tuple[str, str]], indent: int = 8) -> str:
    lines = []
    for name, value in variables:
        lines += [f"{' ' * indent}<key>{name}</key>", f"{' ' * indent}<string>{escape_xml(checked(value))}</string>"]
    return "\n".join(lines)

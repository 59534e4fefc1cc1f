"""docs/reference/events.md lists every event that the code tells, with its data, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "daemon" / "keeprate"
PAGE = REPOSITORY / "docs" / "reference" / "events.md"
NAME = re.compile(r"[a-z]+\.[a-z_]+")
ROW = re.compile(r"^\| `([a-z]+\.[a-z_]+)` \|([^|]*)\|", re.MULTILINE)


def told() -> Iterator[tuple[str, frozenset[str], bool]]:
    """Name, keys of its data, and whether there may be more keys: of each `….tell("name", …)` in the code."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args and _called(node.func) in ("tell", "_tell")):
                continue
            names = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]
            keys = frozenset(one.arg for one in node.keywords if one.arg not in (None, "level", "kept"))
            for name in names:
                if isinstance(name, str) and NAME.fullmatch(name):
                    yield name, keys, any(one.arg is None for one in node.keywords)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_every_event_is_listed_and_no_other() -> None:
    listed = {name: frozenset(re.findall(r"`(\w+)`", keys)) for name, keys in ROW.findall(PAGE.read_text())}
    found = list(told())
    assert len(found) > 30, "the search finds them"
    assert {name for name, _, _ in found} == set(listed)
    in_all: dict[str, set[str]] = {}
    for name, keys, more in found:
        in_all.setdefault(name, set()).update(listed[name] if more else keys)
    assert {name: frozenset(keys) for name, keys in in_all.items()} == listed

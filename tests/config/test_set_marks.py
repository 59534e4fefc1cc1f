from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keeprate.config.edit import set_marks
from keeprate.config.load import load_config

WANTED: dict[str, dict[str, Any]] = {
    "order": {"view_folder": "/v", "geeqie_collection": "auto"},
    "xmp": {"stars": True},
}
LAYOUTS = {
    "tables": '[[library]]\nname = "a"\nroot = "/a" # here\n\n[library.heads.keep]\nbuckets = {keep="k", delete="d"}\n'
    '[library.marks.order]\n# why\nview_folder = "/mine" # mine\n',
    "none": '[[library]]\nname = "a"\nroot = "/a"\n',
    "inline": '[[library]]\nname = "a"\nroot = "/a"\nmarks = { order = { limit = 3 }, kde = { stars = true } } # x\n',
    "dotted": '[[library]]\nname = "a"\nroot = "/a"\nmarks.order.limit = 3\nmarks.xmp.stars = false\n',
    "one of three": '[[library]]\nname = "z"\nroot = "/z"\n[library.marks.order]\nlimit = 1\n\n# second\n[[library]]\n'
    'name = "a"\nroot = "/a"\n[library.marks.xmp]\nmode = "embed" # asked\n\n[[library]]\nname = "b"\nroot = "/b"\n'
    '[library.marks.xmp]\nstars = false\n[watching]\nrescan_every = "1h" # often\n',
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_gets_the_marks_and_keeps_the_rest(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LAYOUTS[layout])
    before = load_config(path)

    edit = set_marks(path, "a", "geeqie", WANTED, keep=frozenset({"order.view_folder"}))

    after = load_config(path)
    assert after == edit.config
    changed, was = after.library_named("a"), before.library_named("a")
    assert changed is not None
    assert was is not None
    expected = {name: was.marks.get(name, {}) | WANTED.get(name, {}) for name in was.marks.keys() | WANTED.keys()}
    expected["order"]["view_folder"] = was.marks.get("order", {}).get("view_folder", "/v")
    assert changed.marks == expected
    assert changed.viewer == "geeqie"
    assert changed.model_copy(update={"marks": {}, "viewer": ""}) == was.model_copy(update={"marks": {}, "viewer": ""})
    assert [one for one in after.library if one.name != "a"] == [one for one in before.library if one.name != "a"]
    assert after.watching == before.watching
    comments = [line.partition("#")[2] for line in LAYOUTS[layout].splitlines() if "#" in line]
    assert [comment for comment in comments if f"#{comment}" not in path.read_text()] == []
    assert set(edit.kept) == was.marks.keys() - WANTED.keys()

    text = path.read_text()
    again = set_marks(path, "a", "geeqie", WANTED, keep=frozenset({"order.view_folder"}))
    assert again.changed == ()
    assert path.read_text() == text


def test_every_change_is_told_and_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LAYOUTS["dotted"])
    edit = set_marks(path, "a", "geeqie", WANTED, dry_run=True)
    assert edit.changed == (
        'order.view_folder = "/v"',
        'order.geeqie_collection = "auto"',
        "xmp.stars: false → true",
    )
    assert path.read_text() == LAYOUTS["dotted"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_table_without_settings_is_told_as_well(tmp_path: Path, *, dry_run: bool) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LAYOUTS["none"])
    assert set_marks(path, "a", "finder", {"finder": {}}, dry_run=dry_run).changed == ("finder: new table",)
    assert ("[library.marks.finder]" in path.read_text()) != dry_run
    path.write_text(path.read_text() + ("" if not dry_run else "[library.marks.finder]\n"))
    assert set_marks(path, "a", "finder", {"finder": {}}).changed == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_line_ends_stay(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(LAYOUTS[layout].replace("\n", "\r\n").encode())
    set_marks(path, "a", "geeqie", WANTED)
    windows = path.read_bytes()
    path.write_bytes(LAYOUTS[layout].encode())
    set_marks(path, "a", "geeqie", WANTED)
    assert windows == path.read_bytes().replace(b"\n", b"\r\n")

"""Drive darktable: a Lua script of ours tells the order of its lighttable whenever it is asked to."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.viewers.display import Display
from support.waiting import wait_until

SCRIPT = """\
local dt = require "darktable"
local function tell(name)
  local file = io.open("{folder}/" .. name .. ".tmp", "w")
  for _, image in ipairs(dt.collection) do file:write(image.filename, "\\t", image.rating, "\\n") end
  file:close()
  os.rename("{folder}/" .. name .. ".tmp", "{folder}/" .. name)
end
dt.database.import("{root}")
dt.control.sleep(1500)
local sets = {{ {sets} }}
for _, image in ipairs(dt.collection) do
  if sets[image.filename] then image.rating = sets[image.filename] end
end
dt.control.sleep(1500)
tell("order")
"""
SETTINGS = {
    "plugins/lighttable/filtering/num_sort": "1",
    "plugins/lighttable/filtering/sort0": "6",  # rating
    "plugins/lighttable/filtering/sortorder0": "1",  # descending
    "plugins/lighttable/layout": "1",
    "ui_last/no_april1st": "true",
    "run_crawler_on_start": "true",
}


class Darktable:
    """darktable that imports one folder at its start."""

    program = "darktable"

    def __init__(self, display: Display, root: Path, *, sets: Mapping[str, int] | None = None) -> None:
        """`sets`: what a person gives there after the import, name → stars or -1; it is written into sidecars."""
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = display.home / "darktable"
        self._folder.mkdir()
        (self._folder / "luarc").write_text(SCRIPT.format(
            folder=self._folder, root=root,
            sets=", ".join(f'["{name}"] = {rating}' for name, rating in (sets or {}).items()),
        ))  # fmt: skip
        self._sidecars = "after edit" if sets else "never"

    def start(self) -> None:
        settings = SETTINGS | {"write_sidecar_files": self._sidecars}
        options = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
        (self._folder / "order").unlink(missing_ok=True)
        self._process = self._display.start(
            ["darktable", "--disable-opencl", "--configdir", self._folder, "--cachedir", self._folder / "cache",
             "--library", self._folder / "library.db", *options]
        )  # fmt: skip

    def shown(self) -> list[tuple[str, int]]:
        """Name and stars in the order of its lighttable."""
        order = self._folder / "order"
        wait_until(order.is_file, 60, what="darktable has imported")
        lines = [line.split("\t") for line in order.read_text().splitlines()]
        return [(name, int(rating)) for name, rating in lines]

    def end(self) -> None:
        """Kill it: it ignores a polite request."""
        if self._process is not None:
            self._display.end(self._process)
            self._process = None

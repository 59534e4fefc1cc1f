"""darktable with keeprate's plugin installed as the how-to says, obeying Lua that a test hands in."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from support.viewers.display import Display
from support.waiting import wait_until

PLUGIN = Path(__file__).parents[2] / "plugins" / "darktable" / "keeprate.lua"
LUARC = """\
local keeprate = require "keeprate"
local dt = require "darktable"
local folder = dt.configuration.config_dir
dt.control.dispatch(function() -- runs what the test asks for, and writes down what it returns
  while not dt.control.ending do
    local chunk = loadfile(folder .. "/ask.lua", "t", setmetatable({keeprate = keeprate, dt = dt}, {__index = _G}))
    if chunk then
      os.remove(folder .. "/ask.lua")
      local _, answer = pcall(chunk)
      local file = io.open(folder .. "/answer.new", "w")
      file:write(tostring(answer))
      file:close()
      os.rename(folder .. "/answer.new", folder .. "/answer")
    end
    dt.control.sleep(50)
  end
end)
"""
SETTINGS = {"ui_last/no_april1st": "true", "ui_last/import_initial_rating": "0", "plugins/lighttable/layout": "1"}


class DarktableWithPlugin:
    """A running darktable; `ask` runs a Lua chunk in it, with `keeprate` for the plugin and `dt` for darktable."""

    def __init__(self, display: Display, folder: Path, *, sidecars: bool) -> None:
        self._display, self._folder = display, folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "lua").mkdir(parents=True)
        shutil.copy(PLUGIN, folder / "lua")
        (folder / "luarc").write_text(LUARC)
        program = folder / "it's keeprate"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keeprate "$@"\n')
        program.chmod(0o755)
        self._settings = SETTINGS | {
            "lua/keeprate/command": str(program),
            "write_sidecar_files": "on import" if sidecars else "never",
        }

    def start(self) -> None:
        options = [part for key, value in self._settings.items() for part in ("--conf", f"{key}={value}")]
        self._process = self._display.start(
            ["darktable", "--disable-opencl", "-d", "lua", "--configdir", self._folder,
             "--cachedir", self._folder / "cache", "--library", self._folder / "library.db", *options]
        )  # fmt: skip

    def ask(self, chunk: str, *, timeout_s: float = 60) -> str:
        """What the chunk returns, as text."""
        answer = self._folder / "answer"
        answer.unlink(missing_ok=True)
        new = self._folder / "ask.new"
        new.write_text(chunk)
        new.rename(self._folder / "ask.lua")
        wait_until(answer.is_file, timeout_s, what=f"darktable answers {chunk}")
        return answer.read_text()

    def rate(self, ratings: Mapping[str, int]) -> None:
        """Give ratings by file name, as the user does."""
        for name, rating in ratings.items():
            done = self.ask(
                "for id = 1, dt.database[#dt.database].id do local image = dt.database.get_image(id)"
                f' if image and image.filename == "{name}" then image.rating = {rating}; return image.rating end end'
            )
            assert done == str(rating), f"{name}: {done}"

    def describe(self, name: str) -> str:
        """What the panel says when this image is selected."""
        return self.ask(
            "for id = 1, dt.database[#dt.database].id do local image = dt.database.get_image(id)"
            f' if image and image.filename == "{name}" then return keeprate.describe({{image}}) end end'
        )

    def ratings(self) -> dict[str, int]:
        """File name → stars, -1 for rejected, as they stand in darktable's database."""
        rows = self._rows("SELECT filename, CASE WHEN flags & 8 THEN -1 ELSE flags & 7 END FROM images")
        return {str(name): int(str(stars)) for name, stars in rows}

    def tags(self) -> list[str]:
        """Names of all tags of keeprate's that an image has, sorted."""
        rows = self._rows(
            "SELECT DISTINCT name FROM data.tags JOIN tagged_images ON tagid = id"
            " WHERE name LIKE 'keeprate|%' ORDER BY name"
        )
        return [str(name) for (name,) in rows]

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self._folder}/library.db?mode=ro", uri=True)) as library:
            library.execute("ATTACH DATABASE ? AS data", (f"file:{self._folder}/data.db?mode=ro",))
            return library.execute(query).fetchall()

    def end(self) -> None:
        """Kill it: it ignores a polite request."""
        if self._process is not None:
            self._display.end(self._process)
            self._process = None

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.config.load import load_config
from keeprate.errors import ConfigError


def test_the_first_library_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config.toml"
    add_library(path, {"name": "camera", "root": "/photos"})
    assert [library.name for library in load_config(path).library] == ["camera"]


def test_comments_and_order_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    before = '# mine\n[training]\nevery = "3h"  # often\n\n[[library]]\nname = "a" # first\nroot = "/a"\n'
    path.write_text(before)
    add_library(path, {"name": "b", "root": "/b"})
    assert path.read_text().startswith(before)
    assert [library.name for library in load_config(path).library] == ["a", "b"]


def test_a_library_that_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    add_library(path, {"name": "a", "root": "/a"})
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="two libraries"):
        add_library(path, {"name": "a", "root": "/b"})
    assert path.read_bytes() == before


def test_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'# mine\r\n[training]\r\nevery = "3h"\r\n')
    add_library(path, {"name": "b", "root": "/b"})
    written = path.read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n") > 4
    assert [library.name for library in load_config(path).library] == ["b"]
    mixed = b'# mine\r\n[training]\nevery = "3h"\n'
    path.write_bytes(mixed)
    add_library(path, {"name": "b", "root": "/b"})
    assert path.read_bytes().startswith(mixed)

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.config.load import load_config, parse_config
from keeprate.config.models import Config
from keeprate.errors import ConfigError

LIBRARY = '[[library]]\nname = "camera"\nroot = "/photos"\n'


def test_a_missing_file_is_an_empty_config(tmp_path: Path) -> None:
    assert load_config(tmp_path / "none.toml") == Config()


def test_a_library_has_the_head_keep_by_default() -> None:
    config = parse_config(LIBRARY, Path("config.toml"))
    assert config.library[0].heads["keep"].buckets == {"keep": ("keep",), "delete": ("delete", "trash:")}
    assert config.heads() == {"keep": ("keep", "delete")}


MISTAKES = {
    "no toml": ("library = [", "not valid TOML"),
    "unknown table": (LIBRARY + "[traning]\n", "traning is not a setting (did you mean 'training'?)"),
    "unknown key": (LIBRARY + 'exlude = []\n', "library \"camera\": exlude is not a setting (did you mean 'exclude'?)"),
    "unknown key below": ('[training]\nevry = "6h"\n', "training.evry is not a setting (did you mean 'every'?)"),
    "bad duration": ('[training]\nevery = "often"\n', "training.every: a duration is a number and a unit"),
    "relative root": ('[[library]]\nname = "a"\nroot = "photos"\n', "must be an absolute path"),
    "the home of nobody": ('[[library]]\nname = "a"\nroot = "~nosuchuser/p"\n', "must be an absolute path"),
    "long head": (LIBRARY + f"[library.heads.{'x' * 101}.buckets]\na = 'a'\nb = 'b'\n", "longer than 100 bytes"),
    "head that is a path": (LIBRARY + "[library.heads.'a/b'.buckets]\na = 'a'\nb = 'b'\n", "must not have a /"),
    "one bucket": (LIBRARY + '[library.heads.keep]\nbuckets = { keep = "keep" }\n', "at least two buckets"),
    "same folder twice": (
        LIBRARY + '[library.heads.keep]\nbuckets = { keep = "a", delete = "a" }\n', "belongs to two buckets"),
    "folder outside": (
        LIBRARY + '[library.heads.keep]\nbuckets = { keep = "../a", delete = "b" }\n', "inside the library"),
    "same name twice": (LIBRARY + LIBRARY.replace("/photos", "/other"), "two libraries are called 'camera'"),
    "library in library": (
        LIBRARY + '[[library]]\nname = "inner"\nroot = "/photos/2026"\n', "'inner' lies inside the library 'camera'"),
    "heads differ": (
        LIBRARY + '[[library]]\nname = "b"\nroot = "/b"\n[library.heads.keep]\nbuckets = { x = "x", y = "y" }\n',
        "the head 'keep' has the buckets keep, delete in 'camera' but x, y in 'b'"),
    "head to mark": (LIBRARY + 'marked_head = "beauty"\n', "marked_head names 'beauty'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_a_sentence(mistake: str) -> None:
    text, sentence = MISTAKES[mistake]
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Path("/home/ann/config.toml"))
    assert sentence in caught.value.what
    assert caught.value.path == Path("/home/ann/config.toml")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("folder", ["keep/", "./keep", "keep//", "a/../keep"])
def test_a_folder_may_be_written_in_several_ways(folder: str) -> None:
    text = LIBRARY + f'[library.heads.keep]\nbuckets = {{ keep = "{folder}", delete = "delete" }}\n'
    if ".." in folder:
        with pytest.raises(ConfigError, match="inside the library"):
            parse_config(text, Path("config.toml"))
    else:
        assert parse_config(text, Path("config.toml")).library[0].heads["keep"].buckets["keep"] == ("keep",)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(path)

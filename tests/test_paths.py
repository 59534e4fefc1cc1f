from __future__ import annotations

import os
from pathlib import Path

import pytest

from keeprate.errors import UsageError
from keeprate.paths import expanded, locate_home
from support.commands import run


def test_a_home_is_put_in_for_its_sign() -> None:
    assert expanded("~/photos") == Path(os.environ["HOME"]) / "photos"
    assert expanded("photos") == Path("photos")


def test_the_home_of_nobody_is_a_mistake_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KEEPRATE_WORKSPACE", "KEEPRATE_HOME"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "~nosuchuser/w")
            with pytest.raises(UsageError, match="home of a user that does not exist"):
                locate_home()


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "add", "x", "--path", "~nosuchuser/model"),
        ("--workspace", "~nosuchuser/w", "status"),
        ("import", "headmaster", "~nosuchuser/w"),
        ("init", "~nosuchuser/photos"),
    ],
)
def test_commands_say_so_in_one_sentence(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "a user that does not exist" in done.err
    assert "Traceback" not in done.err

"""The tray in a panel of the old kind (trayer on a display of its own): icons that are windows, clicked with a mouse.

With PyGObject there is a menu; without, the icon alone, and a click on it opens the page.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from keeprate.paths import locate_home
from keeprate.tray.icon import draw_icon
from keeprate.tray.state import IconKind
from support.api import serving
from support.commands import keeprate
from support.made_pictures import encoded, saved, scene
from support.tray_desktop import Session, graphical_session, need, opener, tray
from support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.system

HEIGHT = 32
CONFIG = """
[[library]]
name = "camera"
root = "{root}"
[library.marks.order]
view_folder = "../by score"
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    need("trayer", "xdotool", "import", "xwininfo")
    with graphical_session(tmp_path_factory.mktemp("session") / "one", size="560x400x24") as made:
        yield made


@pytest.fixture
def here(session: Session) -> Iterator[Session]:
    with _panel(session):
        yield session.with_this_home()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Twelve photos that nobody has looked at."""
    (tmp_path / "by score").mkdir()
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(12):
        saved(root, f"{number}.jpg", encoded(scene(160, 120, seed=number), "JPEG"))
    home = locate_home()
    home.config_dir.mkdir(parents=True)
    home.config_file.write_text(CONFIG.format(root=root))
    return root


@contextmanager
def _panel(session: Session) -> Iterator[None]:
    options = (
        "--edge top --align left --widthtype request --SetDockType true --transparent true --alpha 0 --tint 0xe8e8e8"
    )
    panel = subprocess.Popen(
        ["trayer", *options.split(), "--height", str(HEIGHT)],
        env=session.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        panel.terminate()
        panel.wait(PATIENCE_S)


def mouse(here: Session, *what: str) -> None:
    subprocess.run(["xdotool", *what], env=here.environment, check=True)


def screen(here: Session, path: Path) -> Image.Image:
    subprocess.run(["import", "-window", "root", str(path)], env=here.environment, check=True)
    with Image.open(path) as taken:
        return taken.convert("RGB")


def icon_at(here: Session, folder: Path, kind: IconKind) -> tuple[int, int] | None:
    """Where on the screen the middle of the icon is, if it is there: most of its card's colour."""
    colour = draw_icon(kind).getpixel((32, 12))
    assert isinstance(colour, tuple)
    shown = screen(here, folder / "screen.png").crop((0, 0, 560, HEIGHT + 8))
    found = [
        (x, y) for x in range(shown.width) for y in range(shown.height) if _near(shown.getpixel((x, y)), colour[:3])
    ]
    if len(found) < 60:
        return None
    return sum(x for x, _ in found) // len(found), sum(y for _, y in found) // len(found)


def _near(one: object, other: tuple[float, ...]) -> bool:
    assert isinstance(one, tuple)
    return all(abs(a - b) <= 12 for a, b in zip(one, other, strict=True))


def wait_for_icon(here: Session, folder: Path, kind: IconKind) -> tuple[int, int]:
    wait_until(lambda: icon_at(here, folder, kind) is not None, what=f"an icon that is {kind}")
    found = icon_at(here, folder, kind)
    assert found is not None
    return found


def windows(here: Session) -> str:
    return subprocess.run(
        ["xwininfo", "-root", "-tree"], env=here.environment, capture_output=True, text=True, check=True
    ).stdout


def opened_page(asked: Callable[[], list[str]]) -> bool:
    return len(asked()) == 1 and "/review?code=" in asked()[0]


def test_a_menu_below_an_icon_that_is_a_window(here: Session, tmp_path: Path, library: Path) -> None:
    asked = opener(tmp_path / "bin")
    path = f"{tmp_path / 'bin'}:{here.environment['PATH']}"
    keeprate("scan", "--quiet")
    with serving() as api, tray(here, PATH=path) as process:
        x, y = wait_for_icon(here, tmp_path, "idle")
        mouse(here, "mousemove", str(x), str(y), "click", "1")  # the default: the page
        wait_until(lambda: opened_page(asked))

        before = len(windows(here).splitlines())
        mouse(here, "click", "3")
        wait_until(lambda: len(windows(here).splitlines()) > before, what="a menu is open")
        mouse(here, "key", "Down", "Down", "Down")
        mouse(here, "key", "Return")  # of those that can be chosen the third, after Review… and Retrain now
        wait_until(lambda: bool(api.control.asked), what="something is asked for")
        assert [one[0] for one in api.control.asked] == ["pause"]
        api.control.events.tell("job.paused", "Paused.")
        wait_for_icon(here, tmp_path, "paused")

        mouse(here, "click", "3")
        wait_until(lambda: len(windows(here).splitlines()) > before, what="a menu is open")
        mouse(here, "key", "Up", "Return")
        assert process.wait(PATIENCE_S) == 0


def test_without_pygobject_there_is_an_icon_and_a_click_opens_the_page(here: Session, tmp_path: Path) -> None:
    asked = opener(tmp_path / "bin")
    path = f"{tmp_path / 'bin'}:{here.environment['PATH']}"
    with serving() as api, tray(here, PATH=path, PYTHONPATH="", PYSTRAY_BACKEND="xorg") as process:
        x, y = wait_for_icon(here, tmp_path, "idle")
        mouse(here, "mousemove", str(x), str(y), "click", "1")
        wait_until(lambda: opened_page(asked))
        api.control.pause()
        api.control.events.tell("job.paused", "Paused.")
        wait_for_icon(here, tmp_path, "paused")
        process.terminate()
        assert process.wait(PATIENCE_S) == 0

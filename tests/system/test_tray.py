"""The tray in front of a panel: the real `keeprate tray`, on a bus and a display of its own, and a real api server.

Here the panel speaks StatusNotifier, as KDE, XFCE, Cinnamon, and GNOME with its extension do; `test_tray_docked.py` has
the old way.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from PIL import ImageChops

from keeprate.paths import locate_home
from keeprate.tray.icon import draw_icon
from keeprate.tray.state import IconKind
from support.api import NotingControl, serving
from support.commands import COMMAND, connected, daemon, set_quick
from support.made_pictures import encoded, saved, scene
from support.tray_desktop import Session, graphical_session, opener, tray
from support.tray_host import Notification, PanelIcon, host
from support.waiting import PATIENCE_S, let_pass, wait_until

pytestmark = pytest.mark.system

CONFIG = """
[[library]]
name = "camera"
root = "{root}"
[library.marks.order]
view_folder = "../by score"
"""
MENU = [
    "Idle.",
    "Nothing new to review",
    "Review…",
    "Retrain now",
    "Pause for 1 hour",
    "Pause until resumed",
    "Open view folder",
    "Not trained yet",
    "Problems: none",
    "Settings file",
    "Quit tray",
]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with graphical_session(tmp_path_factory.mktemp("session") / "one") as made:
        yield made


@pytest.fixture
def here(session: Session) -> Session:
    """The session with the home of this test."""
    return session.with_this_home()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("photos", "by score"):
        (tmp_path / name).mkdir()
    home = locate_home()
    home.config_dir.mkdir(parents=True)
    home.config_file.write_text(CONFIG.format(root=tmp_path / "photos"))
    return tmp_path / "photos"


def labels(icon: PanelIcon) -> list[str]:
    return [label for label in icon.labels() if label]


def looks(icon: PanelIcon, kind: IconKind) -> bool:
    return ImageChops.difference(icon.image(), draw_icon(kind)).getbbox(alpha_only=False) is None


def wait_for_looks(icon: PanelIcon, kind: IconKind) -> None:
    def seen() -> bool:
        try:
            return looks(icon, kind)
        except FileNotFoundError:  # it is just being replaced
            return False

    wait_until(seen, what=f"the icon looks {kind}")


def state() -> str:
    with connected() as client:
        return client.live().state


def is_asked(control: NotingControl, *what: object) -> None:
    wait_until(lambda: what in [one[: len(what)] for one in control.asked], what=f"{what} is asked for")


def test_the_icon_its_menu_and_what_a_click_does(here: Session, library: Path) -> None:
    with host(here.bus) as panel, serving() as api, tray(here) as process:
        icon = panel.wait_for_icon()
        icon.wait_for_line("Idle.")
        assert icon.shown("Id") == "keeprate"
        assert icon.shown("Status") == "Active"
        assert icon.title == "keeprate: Idle – Nothing new to review"
        assert labels(icon) == MENU
        assert [line.label for line in icon.menu() if line.label and not line.enabled] == [
            "Idle.",
            "Nothing new to review",
            "Not trained yet",
        ]
        wait_for_looks(icon, "idle")

        icon.click("Retrain now")
        is_asked(api.control, "run_job", "retrain")
        icon.click("Pause for 1 hour")
        is_asked(api.control, "pause", None)
        until = next(one[2] for one in api.control.asked if one[0] == "pause")
        assert isinstance(until, float)
        assert until == pytest.approx(time.time() + 3600, abs=30)
        api.control.events.tell("job.paused", "Paused.")
        wait_for_looks(icon, "paused")
        icon.wait_for_line("Resume")
        assert "Pause for 1 hour" not in labels(icon)
        icon.click("Resume")
        is_asked(api.control, "resume", None)
        api.control.events.tell("job.resumed", "Goes on.")
        wait_for_looks(icon, "idle")
        icon.wait_for_line("Pause until resumed")
        icon.click("Pause until resumed")
        is_asked(api.control, "pause", None, None)

        icon.click("Quit tray")
        assert process.wait(PATIENCE_S) == 0
        assert api.control.asked[-1][0] == "pause"  # the daemon is not asked to end


def test_progress_is_followed_and_leaves_an_open_menu_alone(here: Session, library: Path) -> None:
    with host(here.bus) as panel, serving() as api, tray(here):
        icon = panel.wait_for_icon()
        icon.wait_for_line("Idle.")
        jobs = tuple(replace(job, state="running") if job.name == "embed" else job for job in api.control.said.jobs)
        api.control.said = replace(api.control.said, state="busy", sentence="Embedding 1 of 90 photos.", jobs=jobs)
        api.control.events.tell("job.started", "Embed new photos.")
        icon.wait_for_line("At work: embed new photos")
        wait_for_looks(icon, "busy")
        before = panel.layouts
        for done in (8, 16, 24):
            api.control.said = replace(api.control.said, sentence=f"Embedding {done} of 90 photos.")
            api.control.events.tell("job.progress", "", level=0)
            wait_until(lambda done=done: f" {done} of 90" in icon.title)  # type: ignore[misc]
        assert panel.layouts == before


def test_what_matters_is_told_on_the_desktop(here: Session, library: Path) -> None:
    with host(here.bus) as panel, serving() as api:
        api.control.events.tell("head.promoted", "That was before the icon came.", head="old")
        with tray(here):
            panel.wait_for_icon().wait_for_line("Idle.")
            api.control.events.tell("photos.embedded", "8 photos embedded.")
            api.control.events.tell("head.promoted", "keep: version 2 is better.", head="keep")
            wait_until(lambda: bool(panel.notifications))
            assert panel.notifications == [Notification("A better head is in use", "keep: version 2 is better.")]
            attention = ("camera is offline: plug in its disk.",)
            api.control.said = replace(api.control.said, state="attention", attention=attention)
            api.control.events.tell("library.offline", "camera is offline.", library="camera")
            wait_until(lambda: len(panel.notifications) == 2)


def test_attention_shows_in_icon_and_menu(here: Session, library: Path) -> None:
    with host(here.bus) as panel, serving() as api, tray(here):
        icon = panel.wait_for_icon()
        icon.wait_for_line("Idle.")
        api.control.said = replace(api.control.said, state="attention", attention=("camera is offline.",))
        api.control.events.tell("library.offline", "camera is offline.", library="camera")
        icon.wait_for_line("! camera is offline.")
        wait_for_looks(icon, "attention")


def test_a_real_daemon_that_is_paused_killed_started_again_and_ended(
    here: Session, library: Path, home: Path, tmp_path: Path
) -> None:
    set_quick(home)
    for number in range(3):
        saved(library, f"{number}.jpg", encoded(scene(160, 120, seed=number), "JPEG"))
    with host(here.bus) as panel, tray(here) as process:
        icon = panel.wait_for_icon()
        icon.wait_for_line("To start it: keeprate run")
        assert labels(icon) == [
            "keeprate is not running",
            "To start it: keeprate run",
            "Open view folder",
            "Settings file",
            "Quit tray",
        ]
        wait_for_looks(icon, "offline")
        with daemon(tmp_path / "first.log") as running:
            icon.wait_for_line("3 new photos to review")
            wait_for_looks(icon, "idle")
            icon.click("Pause until resumed")
            wait_for_looks(icon, "paused")
            wait_until(lambda: state() == "paused")  # a step that runs comes to its end
            icon.click("Resume")
            wait_for_looks(icon, "idle")
            wait_until(lambda: state() != "paused")
            running.kill()
            wait_for_looks(icon, "offline")
        icon.wait_for_line("keeprate is not running")
        with daemon(tmp_path / "second.log"):
            wait_for_looks(icon, "idle")
            icon.wait_for_line("3 new photos to review")
        wait_for_looks(icon, "offline")
        assert process.poll() is None


def test_the_page_and_folders_are_opened_with_the_desktops_program(
    here: Session, library: Path, tmp_path: Path
) -> None:
    asked = opener(tmp_path / "bin")
    path = f"{tmp_path / 'bin'}:{here.environment['PATH']}"
    with host(here.bus) as panel, serving() as api, tray(here, PATH=path):
        icon = panel.wait_for_icon()
        icon.wait_for_line("Idle.")
        icon.click("Review…")
        wait_until(lambda: len(asked()) == 1)
        review = urlsplit(asked()[0])
        assert f"{review.scheme}://{review.netloc}" == api.server.url
        assert review.path == "/review"
        assert list(parse_qs(review.query)) == ["code"]
        assert api.home.token_file.read_text().strip() not in asked()[0], "other users can see it"
        icon.click("Settings file")
        wait_until(lambda: asked()[1:] == [str(api.home.config_file)])
        icon.click("Open view folder")
        wait_until(lambda: len(asked()) == 3)
        assert Path(asked()[2]).resolve() == library.parent / "by score"


def test_there_is_one_for_each_session(here: Session, library: Path) -> None:
    with host(here.bus) as panel, tray(here):
        panel.wait_for_icon()
        second = subprocess.run(
            [*COMMAND, "tray"], env=here.environment, capture_output=True, check=False, timeout=PATIENCE_S
        )
        assert (second.returncode, second.stdout) == (0, b"The icon is there already.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_takes_its_picture_along(
    here: Session, library: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with host(here.bus) as panel, tray(here, TMPDIR=str(tmp_path)) as process:
        icon = panel.wait_for_icon()
        icon.wait_for_line("Quit tray")
        wait_until(lambda: icon.shown("Status") == "Active")
        picture = Path(icon.shown("IconName"))
        assert picture.parent == tmp_path
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        assert not picture.exists()


def test_without_a_notification_service_nothing_is_told_and_nothing_breaks(here: Session, library: Path) -> None:
    with host(here.bus, notifications=False) as panel, serving() as api, tray(here) as process:
        icon = panel.wait_for_icon()
        icon.wait_for_line("Idle.")
        api.control.events.tell("head.promoted", "keep: version 2 is better.", head="keep")
        api.control.said = replace(api.control.said, state="busy", sentence="Scoring.")
        api.control.events.tell("job.started", "Score photos.")
        wait_for_looks(icon, "busy")
        icon.click("Quit tray")
        assert process.wait(PATIENCE_S) == 0


def test_it_comes_back_with_a_panel_that_was_restarted(here: Session, library: Path) -> None:
    with tray(here, "--wait", "20") as process:
        for _ in range(2):
            with host(here.bus) as panel:
                panel.wait_for_icon().wait_for_line("Quit tray")
        assert process.poll() is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"DISPLAY": ""}, "There is no graphical session here."),
        ({}, "This desktop shows no tray icons."),
        ({"DBUS_SESSION_BUS_ADDRESS": "", "XDG_RUNTIME_DIR": "/nowhere"}, "There is no session bus here"),
        ({"PYTHONPATH": ""}, "PyGObject with GTK 3 is not here"),
    ],
)
def test_where_there_is_none_it_says_so(here: Session, change: dict[str, str], why: str) -> None:
    done = subprocess.run(
        [*COMMAND, "tray"],
        env={**here.environment, **change},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 69
    assert done.stderr.startswith(f"keeprate: {why}")
    assert "keeprate web --open" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_display_that_does_not_answer_is_told_too(here: Session) -> None:
    """pystray itself fails there, in its own way, and leaves a thread behind."""
    with host(here.bus):
        done = subprocess.run(
            [*COMMAND, "tray"], env={**here.environment, "DISPLAY": ":987"}, capture_output=True, text=True,
            check=False, timeout=PATIENCE_S,
        )  # fmt: skip
    assert done.returncode == 69
    assert "The icon cannot be shown" in done.stderr
    assert "Traceback" not in done.stderr


def used_in(process: psutil.Process, seconds: float) -> float:
    """Seconds of the processor."""
    before = process.cpu_times()
    let_pass(seconds)
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system


def test_it_is_small_and_sleeps(here: Session, library: Path) -> None:
    with host(here.bus) as panel, serving(), tray(here) as process:
        icon = panel.wait_for_icon()
        icon.wait_for_line("Idle.")
        wait_for_looks(icon, "idle")
        found = psutil.Process(process.pid)
        assert found.memory_info().rss < 115e6
        # It comes to rest when it has taken in all events; then two seconds cost nothing.
        wait_until(lambda: used_in(found, seconds=2) <= 0.02)

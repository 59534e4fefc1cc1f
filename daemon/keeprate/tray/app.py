"""The tray: follows the daemon, shows its state, and does what is chosen in the menu.

Three kinds of threads meet here: the desktop's (menus), the follower's (news), and one for each thing that was chosen,
since the desktop must not wait for the daemon. They share the lines of the menu, and touch the icon by `post` only.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from keeprate.api.client import DaemonClient
from keeprate.errors import DaemonNotRunningError, KeeprateError
from keeprate.paths import Home
from keeprate.service.events import Event
from keeprate.tray.desktop import unavailable, wait_for_tray
from keeprate.tray.follow import Follower, Seen
from keeprate.tray.icon import draw_icon
from keeprate.tray.menu import make_menu
from keeprate.tray.notifications import Notifications
from keeprate.tray.places import notifications_wanted, open_with_desktop, places_of, run_keeprate
from keeprate.tray.shown_icon import TrayIcon
from keeprate.tray.state import Action, Line, TrayState, state_of

log = logging.getLogger("keeprate.tray")

HOUR_S = 3600.0
PAGES = {Action.REVIEW: "/review", Action.PROBLEMS: "/#h-problems"}


def session_lock_file(home: Home) -> Path:
    """One tray for each home and display: a second one would be the same icon twice."""
    session = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or ""
    return home.state_dir / f"tray-{hashlib.sha256(os.fsencode(session)).hexdigest()[:8]}.lock"


def run_tray(home: Home, *, wait_s: float = 0.0, say: Callable[[str], None]) -> None:
    """Show the icon until it is quit. The main thread only; end the process with `os._exit` afterwards.

    Raises:
        TrayUnavailableError: no icon can be shown here, also not within `wait_s` seconds.
    """
    found = wait_for_tray(wait_s)
    if not found.available or found.backend is None:
        raise unavailable(found)
    if found.advice:
        say(found.advice)
    tray = Tray(home)
    tray.icon = TrayIcon(found.backend, "keeprate", draw_icon(tray.state.kind), tray.state.tooltip, tray.menu)
    tray.icon.run(tray.follower.start)


class Tray:
    """What the icon shows and does."""

    icon: TrayIcon

    def __init__(self, home: Home) -> None:
        self._home = home
        self._places = places_of(home, running=True)
        self._notifications = Notifications()
        self._notify = True
        self._changing = threading.Lock()
        self.state: TrayState = state_of(None, self._places)
        self.menu = lambda pystray: make_menu(pystray, lambda: self.state.lines, self.act)
        self.follower = Follower(lambda: DaemonClient.connect(home), self.changed, self.told)

    def changed(self, seen: Seen) -> None:
        """Show what is new; only what can be seen is touched."""
        self._places = places_of(self._home, running=seen.status is not None)
        self._notify = notifications_wanted(self._home)
        with self._changing:
            before, now = self.state, state_of(seen.status, self._places, trouble=seen.trouble)
            if now == before:
                return
            self.state = now
            image = None if now.kind == before.kind else draw_icon(now.kind)
            title = None if now.tooltip == before.tooltip else now.tooltip
            menu = now.lines != before.lines
            self.icon.post(lambda: self.icon.change(image=image, title=title, menu=menu))

    def told(self, event: Event) -> None:
        """Notify of what matters."""
        if self._notify and (title := self._notifications.title(event)) is not None:
            self._tell(event.sentence, title)

    def _tell(self, sentence: str, title: str) -> None:
        self.icon.post(lambda: self.icon.notify(sentence, title))

    def act(self, line: Line) -> None:
        """Do what a line of the menu says. The desktop's thread."""
        if line.action is Action.QUIT:
            self.icon.post(self.icon.stop)
        elif line.action is not None:
            threading.Thread(
                target=self._do, args=(line.action, line.path), name="keeprate-tray-act", daemon=True
            ).start()

    def _do(self, action: Action, path: Path | None) -> None:
        try:
            self._do_now(action, path)
        except KeeprateError as error:
            log.warning("%s %s", error.what, error.advice)
            self._tell(f"{error.what} {error.advice}".strip(), "keeprate")
        except Exception:  # an icon that is gone helps nobody
            log.exception("what was chosen failed")

    def _do_now(self, action: Action, path: Path | None) -> None:
        match action:
            case Action.OPEN if path is not None:
                open_with_desktop(path)
            case Action.START:
                run_keeprate("service", "start")
                self.follower.hurry()
            case _:
                self._ask(action)

    def _ask(self, action: Action) -> None:
        connection = DaemonClient.connect(self._home)
        if connection is None:
            raise DaemonNotRunningError("keeprate is not running.", advice="`keeprate run` starts it.")
        with connection as client:
            match action:
                case Action.REVIEW | Action.PROBLEMS:
                    open_with_desktop(_address(client.page_url(), PAGES[action]))
                case Action.RETRAIN:
                    client.run_job("retrain")
                case Action.PAUSE_HOUR:
                    client.pause(until=time.time() + HOUR_S)
                case Action.PAUSE:
                    client.pause()
                case Action.RESUME:
                    client.resume()


def _address(front: str | None, page: str) -> str:
    """Where `page` is, with the code that the address of the `front` page carries."""
    if front is None:
        raise KeeprateError("The page is switched off.", advice="`web = true` under [api] in the settings has it back.")
    path, _, place = page.partition("#")
    return urlsplit(front)._replace(path=path, fragment=place).geturl()

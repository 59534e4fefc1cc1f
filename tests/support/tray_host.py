"""A panel without a window: StatusNotifier watcher and host, and a notification service, on a D-Bus session bus.

Reads what a panel would show (icon, title, the real menu over com.canonical.dbusmenu) and clicks as a panel would.
"""

from __future__ import annotations

import io
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, new_error, new_method_call, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.threading import DBusConnection, DBusRouter, open_dbus_connection
from jeepney.low_level import MessageType
from PIL import Image

from support.waiting import PATIENCE_S, wait_until

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
NOTIFICATIONS = "org.freedesktop.Notifications"
PROPERTIES = "org.freedesktop.DBus.Properties"
NOT_THERE = ("org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownObject")


class NothingThereError(RuntimeError):
    """The other program has no such object (yet)."""


@dataclass(frozen=True, slots=True)
class MenuLine:
    """A line of the menu as the panel has it."""

    id: int
    label: str
    enabled: bool
    lines: tuple[MenuLine, ...]


@dataclass(frozen=True, slots=True)
class Notification:
    title: str
    sentence: str


class TrayHost:
    """Answers as a panel does; `host()` makes one."""

    def __init__(self, connection: DBusConnection, router: DBusRouter, *, notifications: bool) -> None:
        self._connection = connection
        self._router = router
        self._registered: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.notifications: list[Notification] = []
        self.layouts = 0
        """How often a menu said that it has been built anew."""
        names = [WATCHER, NOTIFICATIONS] if notifications else [WATCHER]
        for name in names:
            self._router.send_and_get_reply(message_bus.RequestName(name), timeout=PATIENCE_S)
        layouts = MatchRule(type="signal", interface=MENU, member="LayoutUpdated")
        self._router.send_and_get_reply(message_bus.AddMatch(layouts), timeout=PATIENCE_S)

    def serve(self, messages: queue.Queue[Message | None]) -> None:
        """Answer what comes in until None does."""
        while (message := messages.get()) is not None:
            if message.header.message_type is MessageType.signal:
                self.layouts += message.header.fields.get(HeaderFields.member) == "LayoutUpdated"
            elif message.header.message_type is MessageType.method_call:
                self._connection.send(self._answer(message))

    def _answer(self, message: Message) -> Message:
        fields = message.header.fields
        match fields.get(HeaderFields.interface), fields.get(HeaderFields.member):
            case (str(), "RegisterStatusNotifierItem"):
                said = message.body[0]
                sender = fields[HeaderFields.sender]
                self._registered.put((sender, said) if said.startswith("/") else (said, "/StatusNotifierItem"))
                return new_method_return(message)
            case (str(), "RegisterStatusNotifierHost"):
                return new_method_return(message)
            case (str(), "Get") if message.body == (WATCHER, "IsStatusNotifierHostRegistered"):
                return new_method_return(message, "v", (("b", True),))
            case (str(), "GetAll"):
                return new_method_return(message, "a{sv}", ({"IsStatusNotifierHostRegistered": ("b", True)},))
            case (str(), "Notify"):
                self.notifications.append(Notification(message.body[3], message.body[4]))
                return new_method_return(message, "u", (len(self.notifications),))
            case (str(), "CloseNotification"):
                return new_method_return(message)
        return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod")

    def wait_for_icon(self, timeout_s: float = PATIENCE_S) -> PanelIcon:
        """The icon that registers next."""
        name, path = self._registered.get(timeout=timeout_s)
        return PanelIcon(self, name, path)

    def call(self, address: DBusAddress, member: str, signature: str = "", *body: Any) -> tuple[Any, ...]:
        answer = self._router.send_and_get_reply(
            new_method_call(address, member, signature or None, body), timeout=PATIENCE_S
        )
        if answer.header.message_type is MessageType.error:
            name = answer.header.fields.get(HeaderFields.error_name)
            raise (NothingThereError if name in NOT_THERE else RuntimeError)(f"{member}: {name} {answer.body}")
        return tuple(answer.body)


class PanelIcon:
    """One icon, as the panel has it."""

    def __init__(self, host: TrayHost, name: str, path: str) -> None:
        self._host = host
        self._name = name
        self._path = path

    def shown(self, name: str) -> Any:
        return self._host.call(DBusAddress(self._path, self._name, PROPERTIES), "Get", "ss", ITEM, name)[0][1]

    @property
    def title(self) -> str:
        return str(self.shown("Title"))

    def image(self) -> Image.Image:
        """What it looks like; a panel reads the file that it names."""
        return Image.open(io.BytesIO(Path(self.shown("IconName")).read_bytes())).convert("RGBA")

    def menu(self) -> tuple[MenuLine, ...]:
        """Empty while there is none: an icon may be there a moment before its menu is."""
        try:
            _, layout = self._host.call(self._menu(), "GetLayout", "iias", 0, -1, [])
        except NothingThereError:
            return ()
        return self._line(layout).lines

    def labels(self) -> list[str]:
        return [line.label for line in self.menu()]

    def click(self, label: str) -> None:
        """Choose a line of the menu, also in a menu below it."""
        wait_until(lambda: self._find(label) is not None, what=f"{label!r} is in the menu and can be chosen")
        line = self._find(label)
        assert line is not None
        now = int(time.time()) & 0x7FFFFFFF
        self._host.call(self._menu(), "Event", "isvu", line.id, "clicked", ("i", 0), now)

    def _find(self, label: str) -> MenuLine | None:
        return next((one for one in _all(self.menu()) if one.label == label and one.enabled), None)

    def wait_for_line(self, label: str, timeout_s: float = PATIENCE_S) -> None:
        wait_until(lambda: label in self.labels(), timeout_s, what=f"{label!r} is in the menu")

    def _menu(self) -> DBusAddress:
        return DBusAddress(self.shown("Menu"), self._name, MENU)

    def _line(self, node: tuple[int, dict[str, Any], list[Any]]) -> MenuLine:
        number, properties, children = node
        values = {name: value[1] for name, value in properties.items()}
        below = tuple(self._line(child[1]) for child in children)
        return MenuLine(number, values.get("label", ""), values.get("enabled", True), below)


def _all(lines: tuple[MenuLine, ...]) -> Iterator[MenuLine]:
    for line in lines:
        yield line
        yield from _all(line.lines)


@contextmanager
def host(address: str, *, notifications: bool = True) -> Iterator[TrayHost]:
    """A panel on the bus at `address`."""
    connection = open_dbus_connection(address)
    messages: queue.Queue[Message | None] = queue.Queue()
    router = DBusRouter(connection)
    try:
        with router.filter(MatchRule(), queue=messages):
            made = TrayHost(connection, router, notifications=notifications)
            thread = threading.Thread(target=made.serve, args=(messages,), name="panel")
            thread.start()
            try:
                yield made
            finally:
                messages.put(None)
                thread.join()
    finally:
        router.close()
        connection.close()

"""Whether heavy work may be done now: quiet hours, battery, other programs that need the processor or fill the screen.

`why_not_now` decides and touches nothing; `ThisMachine` looks at the machine. Nothing here polls: whoever has work that
waits asks again after `ask_again_after`.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import psutil

from keeprate.config.durations import parse_quiet_hours, quiet_until
from keeprate.config.models import JobsConfig

BUSY_SHARE = 1 / 3
"""Other programs that use more of all cores than this are not to be disturbed (decision 0094)."""
LOOK_S = 1.0
"""So long a look at the processor takes."""
ASK_AGAIN = timedelta(minutes=1)
_POWER_SUPPLIES = Path("/sys/class/power_supply")
_ANSWER_S = 2.0


class Machine(Protocol):
    """What a decision needs to know of the machine. Each look may take up to a few seconds."""

    def on_battery(self) -> bool: ...

    def screen_is_filled(self) -> bool:
        """Whether the window in use fills the screen, as films, games and presentations do."""

    def share_of_others(self) -> float:
        """0–1: how much of all cores other programs use, without those that run at low priority."""


def why_not_now(jobs: JobsConfig, now: datetime, machine: Machine, *, waited_s: float = 0.0) -> str | None:
    """What speaks against heavy work now, as a sentence; None: nothing.

    Args:
        jobs: the user's settings.
        now: local time.
        machine: is looked at only for what the settings ask.
        waited_s: how long the work has waited because the machine was busy; beyond `patience` that counts no more.
    """
    if quiet_until(parse_quiet_hours(jobs.quiet_hours), now) is not None:
        return f"It is within quiet hours ({jobs.quiet_hours})."
    if not jobs.on_battery and machine.on_battery():
        return "The machine runs on battery."
    if jobs.while_busy or waited_s >= jobs.patience.total_seconds():
        return None
    if machine.screen_is_filled():
        return "A program fills the screen."
    if machine.share_of_others() > BUSY_SHARE:
        return "Other programs need the processor."
    return None


def ask_again_after(jobs: JobsConfig, now: datetime) -> timedelta:
    """How long to wait before `why_not_now` is asked again, after it gave a reason."""
    end = quiet_until(parse_quiet_hours(jobs.quiet_hours), now)
    return ASK_AGAIN if end is None else max(end - now, timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class ProcessorUse:
    """Seconds of processor time used until a moment. Linux leaves out what programs of low priority compute."""

    at: float
    by_all: float
    by_us: float
    """What of it this process and its children used."""


def share_of_others(earlier: ProcessorUse, later: ProcessorUse, *, cores: int) -> float:
    """0–1: how much of all cores was used between two moments, but not by us."""
    used = (later.by_all - earlier.by_all) - (later.by_us - earlier.by_us)
    return min(1.0, max(0.0, used / ((later.at - earlier.at) * cores)))


class ThisMachine:
    """The machine that this process runs on."""

    def __init__(self) -> None:
        self._desktop = Desktop()

    def on_battery(self) -> bool:
        """Whether it runs on battery; False where that cannot be known."""
        if sys.platform != "linux":
            battery = psutil.sensors_battery()
            return battery is not None and battery.power_plugged is False
        return discharges(_POWER_SUPPLIES)

    def screen_is_filled(self) -> bool:
        """Known of X displays only; False elsewhere."""
        if shutil.which("xprop") is None:
            return False
        desktop = self._desktop.variables()
        if not desktop:
            return False
        said = _asked(desktop, "xprop", "-root", "-notype", "_NET_ACTIVE_WINDOW")
        window = next(iter(re.findall(r"0x[0-9a-f]+", said)), "0x0")  # some window managers name a second one
        return window != "0x0" and "_NET_WM_STATE_FULLSCREEN" in _asked(
            desktop, "xprop", "-id", window, "-notype", "_NET_WM_STATE"
        )

    def share_of_others(self) -> float:
        """Over the next second."""
        earlier = processor_use()
        time.sleep(LOOK_S)
        return share_of_others(earlier, processor_use(), cores=psutil.cpu_count() or 1)


def discharges(supplies: Path) -> bool:
    """Whether no charger gives power, and a battery of the machine itself discharges; systemd asks the same.

    psutil takes the battery of a wireless mouse for the machine's, which then would never be on mains.
    """
    discharging = False
    with contextlib.suppress(OSError):
        for supply in supplies.iterdir():
            said = {name: _content(supply / name) for name in ("type", "scope", "online", "status")}
            if said["scope"] == "Device":
                continue
            if said["type"] != "Battery" and said["online"] == "1":
                return False
            discharging |= said["type"] == "Battery" and said["status"] == "Discharging"
    return discharging


def _content(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""


class Desktop:
    """Where the X display is.

    A service that is started at login is there before the desktop, which tells systemd of its display, but not what
    already runs.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked_at = -math.inf
        self._found: dict[str, str] = {}

    def variables(self) -> dict[str, str]:
        """What a program needs in its environment to find the display, besides ours; empty: there is none."""
        own = os.environ.get("DISPLAY")
        if own:
            return {"DISPLAY": own}
        if self._clock() - self._asked_at >= ASK_AGAIN.total_seconds():
            self._asked_at = self._clock()
            self._found = _told_to_systemd()
        return self._found


def _told_to_systemd() -> dict[str, str]:
    """`DISPLAY`, and `XAUTHORITY` where it is needed; empty where the user has no systemd, or it knows no display."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime or not Path(runtime, "systemd").is_dir():
        return {}
    lines = _asked({}, "systemctl", "--user", "show-environment").splitlines()
    said = {name: value for name, _, value in (line.partition("=") for line in lines)}
    return {name: said[name] for name in ("DISPLAY", "XAUTHORITY") if said.get(name)} if said.get("DISPLAY") else {}


def _asked(variables: Mapping[str, str], *command: str) -> str:
    """What a program says; nothing where it does not answer soon."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_ANSWER_S, check=False,
            env={**os.environ, **variables},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def processor_use() -> ProcessorUse:
    """As it is now."""
    all_of_us = [psutil.Process()]
    all_of_us += all_of_us[0].children(recursive=True)
    by_us = sum(_counted(process) for process in all_of_us)
    times = psutil.cpu_times()
    return ProcessorUse(time.monotonic(), times.user + times.system, by_us)


def _counted(process: psutil.Process) -> float:
    """What a process has added to `user` and `system` of all.

    Linux counts the user time of programs of low priority apart, but their system time with everybody's.
    """
    try:
        times = process.cpu_times()
        is_apart = sys.platform == "linux" and process.nice() > 0
    except psutil.Error:  # it has just ended
        return 0.0
    return float(times.system + (0.0 if is_apart else times.user))

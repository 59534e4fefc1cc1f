"""How things stand with the service: installed, enabled, running, and what is wrong with it.

Only looks: no file is written, no unit touched. For `keeprate service status` and `keeprate doctor`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keeprate.paths import Home

ServiceKind = Literal["systemd", "launchd", "none"]
"""What starts the service; `none`: nothing on this system that keeprate knows."""
FileKind = Literal["missing", "current", "outdated", "edited", "foreign"]
"""What stands where a file of ours belongs: nothing, what would be written today, what another keeprate (or another
place of it) wrote, ours with changes by hand, or a file that is not ours."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What is known of the service of one home. Times in unix seconds; None where nobody can say."""

    kind: ServiceKind
    unit: str
    """The name that systemctl or launchctl knows it by."""
    why_not: str
    """Why the service manager cannot be asked, in one sentence; empty: it can."""
    advice: str
    """What to do about that."""
    file: Path
    """Where the unit (or the agent) lies or would lie."""
    file_kind: FileKind
    written_by: str
    """The version of keeprate that wrote it."""
    drop_ins: tuple[str, ...]
    """The user's own additions, which we never touch."""
    program: str
    """What it starts."""
    program_exists: bool
    enabled: bool | None
    """Whether it starts when the user logs in."""
    active: str
    """`active`, `activating`, `deactivating`, `failed`, `inactive`; empty: not known."""
    since: float | None
    pid: int | None
    status_text: str
    """What the daemon says that it is doing."""
    last_exit: str
    """How it last ended, if not well: "exit code 2", "killed by the watchdog" …"""
    restarts: int
    lingering: bool | None
    """Whether it goes on when nobody is logged in."""
    other_daemon: int | None
    """A daemon on this home that this service did not start: its process."""
    tray_file: Path | None
    """What starts the tray icon at login, if that is installed."""
    problems: tuple[str, ...]
    """What is wrong, each in a sentence that says what to do."""

    @property
    def installed(self) -> bool:
        return self.file_kind != "missing"


def service_state(home: Home) -> ServiceState:
    """Look at the service of `home`."""
    raise NotImplementedError(f"comes within the hour ({sys.platform}, {home.state_dir})")

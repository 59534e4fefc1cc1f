"""How a browser is let in: a code that counts once lets it in, and a session of this run of the daemon keeps it in.

The token never gets there: other users see the address that a browser is started with, and browsers send the cookies of
127.0.0.1 to every port. Both are worth something only here, a session until the daemon ends, a code for a minute.
"""

from __future__ import annotations

import secrets
import time

from keeprate.api.token import is_token

OPEN_S = 60
"""How long a code waits for a browser that is just being started."""
PRINTED_S = 600
"""How long one waits that a person copies."""
MOST_CODES = 16
MOST_SESSIONS = 64
"""The oldest makes room."""


class Sessions:
    """The browsers that one server knows. Lives in the server's loop."""

    def __init__(self) -> None:
        self._codes: dict[str, float] = {}
        """Code → when it has run out."""
        self._open: list[str] = []

    def code(self, seconds: float) -> str:
        """A new code, good for one browser within `seconds`."""
        made = secrets.token_urlsafe(24)
        self._codes[made] = time.monotonic() + seconds
        while len(self._codes) > MOST_CODES:
            del self._codes[next(iter(self._codes))]
        return made

    def let_in(self, shown: str) -> str | None:
        """The new session of whoever shows a code; None: it was used, has run out, or never was one."""
        code = next((one for one in self._codes if is_token(shown, one)), None)
        if code is None or self._codes.pop(code) < time.monotonic():
            return None
        self._open = [*self._open, secrets.token_urlsafe(32)][-MOST_SESSIONS:]
        return self._open[-1]

    def knows(self, shown: str) -> bool:
        return any(is_token(shown, one) for one in self._open)

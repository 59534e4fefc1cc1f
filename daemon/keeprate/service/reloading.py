"""Read the config again while the daemon runs: what makes no sense changes nothing, and is said."""

from __future__ import annotations

import logging
from dataclasses import replace

from keeprate.config.workspace import config_of
from keeprate.errors import KeeprateError
from keeprate.service.board import Board
from keeprate.service.events import Events
from keeprate.steps.marks.managers import check_marks
from keeprate.steps.session import Session

CONFIG = "config"
"""What waits for the user under this key: a config that makes no sense."""


def read_again(session: Session, events: Events, board: Board) -> Session | None:
    """The session with the config as it is now; None: it makes no sense, and the old one stays in force."""
    try:
        after = replace(session, config=config_of(session.home))
        after.libraries()  # a daemon without a library has nothing to do
        check_marks(after.config)
    except KeeprateError as error:
        said = f"{error.what} {error.advice}".strip()
        sentence = f"The settings that were in force stay so: {said} After that, run `keeprate config reload`."
        if board.attention(CONFIG, sentence):
            path = None if error.path is None else str(error.path)
            events.tell("daemon.config_rejected", sentence, level=logging.ERROR, path=path)
        return None
    board.attention(CONFIG, "")
    return after

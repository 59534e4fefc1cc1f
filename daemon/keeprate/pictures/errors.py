"""What goes wrong with a picture, in words for the person who owns it."""

from __future__ import annotations


class PictureError(Exception):
    """The picture cannot be used, and will not be usable until the file changes or something is installed.

    `reason` is one sentence for a person, without the path: the caller knows the file.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

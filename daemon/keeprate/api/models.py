"""What requests may say, and the answers that no step gives; all others are the steps' own classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from keeprate.api.sessions import OPEN_S, PRINTED_S
from keeprate.steps.labels.saying import Statement

MOST_AT_ONCE = 1000
LATEST_TIME = 32_503_680_000.0
"""The year 3000, in unix seconds: what is said to be later was not meant as a time."""

CONTENT_KEY = r"^[!-~]{1,200}$"


@dataclass(frozen=True, slots=True)
class Server:
    """Who answers."""

    name: str
    version: str
    api: int
    """The version of the api, as in its address."""
    pid: int


class Asked(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class PauseAsked(Asked):
    """How long to rest."""

    until: Annotated[float, Field(ge=0, le=LATEST_TIME)] | None = Field(
        default=None, description="Unix seconds; null: until resumed."
    )


class WayAsked(Asked):
    """Who waits for the work lock."""

    who: str = Field(pattern=r"^[ -~]{1,200}$", description="Such as “keeprate sync (process 4711)”.")


class PageAsked(Asked):
    """For whom the address of the page is."""

    seconds: float = Field(default=OPEN_S, ge=1, le=PRINTED_S, description="How long it lets somebody in.")


@dataclass(frozen=True, slots=True)
class PageAddress:
    """Where the page is."""

    url: str | None
    """With a code that lets in one browser, once; null: the page is not served."""


class LabelAsked(Asked):
    """What somebody says about one photo."""

    content_key: str = Field(pattern=CONTENT_KEY)
    head: str = Field(min_length=1, max_length=200)
    bucket: str | None = Field(max_length=200, description="null: the label is withdrawn.")


class LabelsAsked(Asked):
    """What somebody says about photos. All of it is taken, or nothing."""

    labels: list[LabelAsked] = Field(min_length=1, max_length=MOST_AT_ONCE)

    def statements(self) -> list[Statement]:
        return [Statement(one.content_key, one.head, one.bucket) for one in self.labels]

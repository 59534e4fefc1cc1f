"""The keys of `[library.marks.kde]` in the config."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KdeSettings:
    """What the photo manager for KDE writes."""

    stars: bool = field(
        default=True,
        metadata={"help": "give 1 to 5 stars where you have given none, neither here nor anywhere else"},
    )
    tags: bool = field(default=False, metadata={"help": "write a tag such as `Score 9` into photos without tags"})
    tag_root: str = field(default="Score", metadata={"help": "the first word of those tags"})
    best_of_burst: bool = field(
        default=False,
        metadata={
            "help": "write a tag into the best photo of each burst and each group of near-duplicates that has no tags"
        },
    )
    best_of_burst_tag: str = field(default="Best of burst", metadata={"help": "that tag"})
    reviewed: bool = field(
        default=False, metadata={"help": "mark photos that are already in a bucket too; else their marks are taken out"}
    )

    def __post_init__(self) -> None:
        for tag in (self.tag_root, self.best_of_burst_tag):
            if not tag.strip() or "," in tag:
                raise ValueError("a tag must hold something else than spaces, and no comma")

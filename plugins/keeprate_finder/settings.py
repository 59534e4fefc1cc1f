"""The keys of `[library.marks.finder]` in the config."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FinderSettings:
    """What the photo manager for the Finder writes."""

    colours: bool = field(
        default=True,
        metadata={"help": "tag the best tenth Green and the worst quarter Red, where a photo has no tags of yours"},
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
            if not tag.strip() or "\n" in tag:
                raise ValueError("a tag must hold something else than spaces, on one line")

"""Which marks are probably not the user's: written for a whole batch, or once written by keeprate itself. Pure.

Four patterns are held back until the user was asked:

echo    keeprate itself once gave the photo (or another file of the shot) this value. A viewer with a database of its
        own writes back what it read, long after we have taken it away.
moment  at least `BATCH` photos of a library got the value within `MOMENT_S` seconds, and hardly any photo of that
        moment has another value, or none.
born    at least `FEW` photos were first seen with the value, all there are in a folder or all that came into it at
        one time, and hardly any without: a camera or an importer set it.
run     the same, but some got it later, faster one after another than a person rates: an importer that takes its time.

A copy of a rated library comes in one moment, too, but its values differ; rating takes longer than a moment.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from keeprate.catalog.user_marks import FirstReading, HeldValue, SaidValue
from keeprate.plugin_api import Shown

BATCH = 20
MOMENT_S = 5.0
FEW = 5
"""So many are a batch where they are all that there is."""
PACE_S = 1.0
"""A person needs longer for each photo of a run, darktable's import less."""
ARRIVAL_S = 600.0
"""Photos of a folder that were first read with shorter pauses came at one time."""
SHARE = 0.9
"""Of the photos of a moment, or of a folder, that a batch must cover."""


class Doubt(StrEnum):
    """Why a value is held back."""

    ECHO = "echo"
    MOMENT = "moment"
    BORN = "born"
    RUN = "run"


def doubtful(
    values: Sequence[SaidValue],
    readings: Iterable[FirstReading],
    given: Mapping[str, Collection[Shown]],
    leaders: Mapping[str, str],
) -> dict[tuple[str, Shown], HeldValue]:
    """(content key, value) -> why it is held back.

    Args:
        values: every value that was ever read. Those that the user was asked about tell what a batch is, and are
            not held again.
        readings: of every photo whose marks were read, with or without any.
        given: content key -> the values that keeprate gave.
        leaders: content key -> the key that stands for its shot; itself where it is missing.
    """
    found = _echoes(values, given, leaders)
    if any(count >= FEW for count in Counter((one.library, one.shown) for one in values).values()):
        first = list(readings)
        for doubts in (_moments(values, first), _whole(values, first)):
            for key, held in doubts.items():
                found.setdefault(key, held)
    decided = {(one.content_key, one.shown) for one in values if one.decision is not None}
    return {key: held for key, held in found.items() if key not in decided}


def _group(*parts: object) -> str:
    """A short name that stays the same while the pattern does."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogateescape"), digest_size=3).hexdigest()


def _held(value: SaidValue, why: Doubt, group: str) -> HeldValue:
    return HeldValue(value.content_key, value.shown, str(why), group)


Found = dict[tuple[str, Shown], HeldValue]


def _echoes(values: Sequence[SaidValue], given: Mapping[str, Collection[Shown]], leaders: Mapping[str, str]) -> Found:
    by_shot: dict[str, set[Shown]] = defaultdict(set)
    for key, shown in given.items():
        by_shot[leaders.get(key, key)] |= set(shown)
    return {
        (one.content_key, one.shown): _held(
            one, Doubt.ECHO, _group(Doubt.ECHO, one.library, one.shown.channel, one.shown.value)
        )
        for one in values
        if one.shown in by_shot.get(leaders.get(one.content_key, one.content_key), ())
    }


def _moments(values: Sequence[SaidValue], readings: Sequence[FirstReading]) -> Found:
    """Batches of one library, one value, one moment."""
    moments = _moments_of_photos(values, readings)
    by_value: dict[tuple[str, Shown], list[SaidValue]] = defaultdict(list)
    for one in values:
        by_value[one.library, one.shown].append(one)
    found: Found = {}
    for (library, shown), those in by_value.items():
        those.sort(key=lambda one: one.placed_at)
        for first, last in _batches([one.placed_at for one in those], moments[library]):
            group = _group(Doubt.MOMENT, library, shown.channel, shown.value, int(those[first].placed_at))
            for one in those[first : last + 1]:
                found[one.content_key, shown] = _held(one, Doubt.MOMENT, group)
    return found


def _moments_of_photos(values: Sequence[SaidValue], readings: Sequence[FirstReading]) -> dict[str, list[float]]:
    """Library -> when anything was said of its photos, and when those came of which nothing was; sorted."""
    said = {(one.library, one.content_key, one.placed_at) for one in values}
    marked = {one.content_key for one in values if one.born}
    said |= {(one.library, one.content_key, one.placed_at) for one in readings if one.content_key not in marked}
    moments: dict[str, list[float]] = defaultdict(list)
    for library, _, at in said:
        moments[library].append(at)
    for times in moments.values():
        times.sort()
    return moments


def _batches(at: Sequence[float], everything: Sequence[float]) -> list[tuple[int, int]]:
    """(first, last) index into the sorted times `at` of what came in one moment, nearly alone; overlaps are one."""
    found: list[tuple[int, int]] = []
    for first, began in enumerate(at):
        last = bisect_right(at, began + MOMENT_S) - 1
        if last - first + 1 < BATCH or (found and last <= found[-1][1]):
            continue
        photos = bisect_right(everything, at[last]) - bisect_left(everything, began)
        if last - first + 1 < SHARE * photos:
            continue
        if found and first <= found[-1][1]:
            first = found.pop()[0]
        found.append((first, last))
    return found


def _whole(values: Sequence[SaidValue], readings: Sequence[FirstReading]) -> Found:
    """Batches of one value that nearly all photos of a folder have, or nearly all that came into it at one time."""
    units_of = _units(readings)
    photos = Counter(unit for units in units_of.values() for unit in units)
    by_value: dict[tuple[_Unit, Shown], list[SaidValue]] = defaultdict(list)
    for one in values:
        for unit in units_of.get(one.content_key, ()):
            by_value[unit, one.shown].append(one)
    found: Found = {}
    for (unit, shown), those in by_value.items():
        if len(those) < FEW or len(those) < SHARE * photos[unit]:
            continue
        later = sorted(one.placed_at for one in those if not one.born)
        if later and later[-1] - later[0] > PACE_S * (len(later) - 1):
            continue
        why = Doubt.RUN if later else Doubt.BORN
        group = _group(why, *unit, shown.channel, shown.value)
        for one in those:
            found.setdefault((one.content_key, shown), _held(one, why, group))
    return found


_Unit = tuple[str, str, int | None]
"""Library, folder, and the arrival (None: the whole folder)."""


def _units(readings: Sequence[FirstReading]) -> dict[str, tuple[_Unit, ...]]:
    """content key → its folder, and what came into it at the same time as the photo."""
    found: dict[str, tuple[_Unit, ...]] = {}
    latest: dict[tuple[str, str], tuple[int, float]] = {}
    for one in sorted(readings, key=lambda one: one.read_at):
        began, last = latest.get((one.library, one.folder), (int(one.read_at), one.read_at))
        if one.read_at - last > ARRIVAL_S:
            began = int(one.read_at)
        latest[one.library, one.folder] = began, one.read_at
        found[one.content_key] = ((one.library, one.folder, None), (one.library, one.folder, began))
    return found

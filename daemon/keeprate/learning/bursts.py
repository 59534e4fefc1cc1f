"""Find photos that are nearly the same: bursts, copies, and series that are only worth something as a whole.

Two photos are compared if they were taken within seconds by one camera, or if their perceptual hashes are near; then
their thumbnails and vectors decide. Frames of an exposure or focus series and of a panorama are told by how they were
exposed and by how they overlap, and are kept whole: there is no best one among them.

Pure. Thumbnails and vectors are asked for pair by pair, so that 100,000 photos need no more memory than their hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.capture_times import neighbours
from keeprate.learning.groups import ALIKE, HASH_DISTANCE
from keeprate.learning.likeness import same_scene, shifted
from keeprate.plugin_api import BurstKind

BURST_GAP_S: Final = 3.0
"""From one frame to the next; to this the exposure itself is added."""
PANORAMA_GAP_S: Final = 15.0
"""As long as it takes to turn and frame again."""
SAME_MOMENT_S: Final = 2.0
"""Copies keep the time of their photo, or have none."""
COPY_DISTANCE: Final = 14
"""Of 64 bits. Measured: most that were cropped by 5 % or brightened are within, of unrelated pairs 8 of 100,000."""
MOST_COPIES: Final = 16
"""Nearest by hash that a photo is compared with: a thousand black frames are not a million pairs."""
MOST_TOGETHER: Final = 100
"""Photos of a burst with its copies: ten a second for ten seconds. More is a chain of things that are not alike."""
COPY: Final = 0.93
"""Correlation of thumbnails from which photos with near hashes are copies; see `learning.likeness`."""
CROPPED: Final = 0.7
"""The same where the vectors are alike, too."""
STRICT: Final = 0.97
"""The same for photos that were taken at different times: a tripod, a scan made twice."""
FRAME, FRAME_BY_VECTOR, FRAME_BY_BOTH = 0.85, 0.7, 1.1
"""Of frames taken within seconds: either is enough, or the sum of both."""
SERIES: Final = 0.6
"""Correlation of frames of one exposure series: the extremes lose much at both ends."""
OVERLAP: Final = 0.87
"""Correlation of what frames of a panorama share. Measured on frames cut from 180 photos with 35–65 % in common: 95 %
are above 0.89; of unrelated pairs 1 in 1,000 is above 0.82, of bursts framed anew 2 % are above 0.86."""
EV_STEP: Final = 0.5
"""Frames of an exposure series differ by so much light at least."""
EV_SAME: Final = 0.34
EV_LADDER: Final = 0.6
"""Nobody said that it is a series: then its exposures are steps of 2/3 EV and more (rounded in the file), all
alike. Automatic exposure drifts by less from frame to frame."""
MOST_LEVELS: Final = 9
BLOCK_CELLS: Final = 4_000_000
PAIRS_AT_ONCE: Final = 4096

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Thumbnails = Callable[[Indices], npt.NDArray[np.uint8]]
"""Rows → (n, 1024) grey levels."""
Directions = Callable[[Indices], npt.NDArray[np.float32]]
"""Rows → (n, d) unit vectors as seen from the mean; NaN where nothing can be said."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What is known of n photos; NaN where unknown."""

    hashes: npt.NDArray[np.int64]
    taken_at: Floats
    """Seconds."""
    cameras: Indices
    """Equal numbers: the same camera; −1: unknown."""
    seconds: Floats
    """Exposure times."""
    light: Floats
    """Exposure value: log2 of f-number² / seconds · 100 / ISO; more: less light was let in."""
    bias: Floats
    """Exposure compensation, EV."""
    bracketed: Flags
    """The camera says so."""
    focal_lengths: Floats
    distances: Floats
    """To what is in focus."""
    time_lapse: Flags
    """These belong to nothing else: see `learning.capture_times`."""

    def __len__(self) -> int:
        return len(self.hashes)

    def at(self, rows: Indices) -> Frames:
        """Those of `rows`."""
        return Frames(
            self.hashes[rows], self.taken_at[rows], self.cameras[rows], self.seconds[rows], self.light[rows],
            self.bias[rows], self.bracketed[rows], self.focal_lengths[rows], self.distances[rows],
            self.time_lapse[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs (m, 2) of photos that belong together, and in which way."""

    pairs: Indices
    strength: Floats
    """(m,) correlation."""
    in_time: Flags
    copies: Flags
    overlapping: npt.NDArray[np.int64]
    """(m,) 0 not at all; ±1 to the right or left; ±2 downwards or upwards."""


@dataclass(frozen=True, slots=True)
class FoundBurst:
    """Photos that belong together: rows in the order of time."""

    kind: BurstKind
    members: tuple[int, ...]


def find_links(frames: Frames, fresh: Flags, thumbnails: Thumbnails, directions: Directions) -> Links:
    """Every pair of photos, one of them `fresh` (n,) at least, that belongs together."""
    parts = [
        _judge(frames, pairs, thumbnails, directions)
        for pairs in _chunks(np.concatenate([_neighbours(frames, fresh), _near_hashes(frames, fresh)]))
    ]
    empty = np.empty(0)
    parts.append(
        Links(np.empty((0, 2), np.intp), empty, empty.astype(bool), empty.astype(bool), empty.astype(np.int64))
    )
    return Links(
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.strength for part in parts]),
        np.concatenate([part.in_time for part in parts]),
        np.concatenate([part.copies for part in parts]),
        np.concatenate([part.overlapping for part in parts]),
    )


def gather(frames: Frames, links: Links) -> list[FoundBurst]:
    """Groups from links, each photo in one of them at most. Series come first, then bursts with their copies."""
    found: list[FoundBurst] = []
    whole = np.zeros(len(frames), bool)
    runs = _components(len(frames), links.pairs[links.in_time])
    run_pairs: list[npt.NDArray[np.intp]] = []
    run_of = np.full(len(frames), -1)
    for number, run in enumerate(runs):
        run_of[run] = number
    for members in _panoramas(frames, links):
        # frames that were taken twice, or as a series each, belong to the panorama, too
        crossed = np.unique(run_of[members])
        wide = np.unique(np.concatenate([members, *(runs[number] for number in crossed if number >= 0)]))
        if not whole[wide].any():
            whole[wide] = True
            found.append(FoundBurst(BurstKind.PANORAMA, _in_time(frames, wide)))
    for run in runs:
        rest = np.array(_in_time(frames, run[~whole[run]]), np.intp)
        for series in _series(frames, rest):
            whole[series] = True
            found.append(FoundBurst(BurstKind.BRACKET, tuple(series.tolist())))
        rest = rest[~whole[rest]]
        run_pairs.append(np.stack([rest[:-1], rest[1:]], axis=1))
    in_a_row = np.concatenate([*run_pairs, np.empty((0, 2), np.intp)])
    # the shortest pauses first: what is more than fits together is parted where a pause was longer
    in_a_row = in_a_row[np.argsort(np.diff(frames.taken_at[in_a_row], axis=1)[:, 0], kind="stable")]
    free = ~whole[links.pairs].any(axis=1) & links.copies
    copied = np.unique(links.pairs[free])
    stars = _stars(links.pairs[free], links.strength[free])
    for group in _components(len(frames), np.concatenate([in_a_row, *stars]), MOST_TOGETHER):
        kind = BurstKind.BURST if _taken_in_one_go(frames, group, copied) else BurstKind.DUPLICATES
        found.append(FoundBurst(kind, _in_time(frames, group)))
    return found


def _chunks(pairs: Indices) -> Iterator[Indices]:
    unique = np.unique(np.sort(pairs, axis=1), axis=0)
    for start in range(0, len(unique), PAIRS_AT_ONCE):
        yield unique[start : start + PAIRS_AT_ONCE]


# ---- which are compared ----


def _neighbours(frames: Frames, fresh: Flags) -> Indices:
    """Each frame with the next few by the same camera, as long as a panorama may take."""
    pairs = neighbours(np.where(frames.time_lapse, np.nan, frames.taken_at), frames.cameras, PANORAMA_GAP_S)
    return pairs[fresh[pairs].any(axis=1)]


def _near_hashes(frames: Frames, fresh: Flags) -> Indices:
    """Fresh photos with every other whose hash differs in few bits: 5·10⁹ comparisons for 100,000, about 15 s."""
    old, new = np.flatnonzero(~frames.time_lapse & ~fresh), np.flatnonzero(~frames.time_lapse & fresh)
    rows = np.concatenate([old, new])
    hashes = frames.hashes[rows].view(np.uint64)
    height = max(1, BLOCK_CELLS // 16 // max(1, len(rows)))
    found = [np.empty((0, 2), np.intp)]
    for start in range(len(old), len(rows), height):
        end = min(start + height, len(rows))
        distances = np.bitwise_count(hashes[start:end, np.newaxis] ^ hashes[:end])
        near = distances <= COPY_DISTANCE
        near[:, start:] &= np.tri(end - start, k=-1, dtype=bool)  # each with those before it: a pair is seen once
        for row in np.flatnonzero(near.sum(axis=1) > MOST_COPIES):
            near[row] = _nearest(distances[row], near[row])
        later, earlier = np.nonzero(near)
        found.append(np.stack([rows[start + later], rows[earlier]], axis=1))
    return np.concatenate(found)


def _nearest(distances: npt.NDArray[np.uint8], near: Flags) -> Flags:
    """The nearest few, of equally near ones the last: others have others, and no photo has thousands of copies.

    Counted by distance, since sorting thousands for each photo takes long.
    """
    within = np.cumsum(np.bincount(distances[near], minlength=COPY_DISTANCE + 1))
    last = int(np.searchsorted(within, MOST_COPIES))
    chosen = near & (distances < last)
    equal = np.flatnonzero(near & (distances == last))
    chosen[equal[len(equal) - (MOST_COPIES - int(chosen.sum())) :]] = True
    return chosen


# ---- how two are compared ----


def _judge(frames: Frames, pairs: Indices, thumbnails: Thumbnails, directions: Directions) -> Links:
    photos, places = np.unique(pairs, return_inverse=True)
    one, other = places.reshape(-1, 2).T
    small = thumbnails(photos)
    vectors = directions(photos)
    correlation = same_scene(small[one], small[other]).astype(np.float64)
    cosine = np.einsum("ij,ij->i", vectors[one], vectors[other]).astype(np.float64)
    a, b = pairs.T
    gap = np.abs(frames.taken_at[a] - frames.taken_at[b])
    one_camera = frames.cameras[a] == frames.cameras[b]
    frame_gap = BURST_GAP_S + np.nan_to_num(np.fmax(frames.seconds[a], frames.seconds[b]))
    both = correlation + cosine >= FRAME_BY_BOTH
    frame = (correlation >= FRAME) | (cosine >= FRAME_BY_VECTOR) | both
    stepped = _steps(frames, a, b) & (correlation >= SERIES)
    # frames of a panorama may follow each other as quickly as those of a burst: what goes on is none
    turned = one_camera & (correlation < FRAME) & (gap <= PANORAMA_GAP_S)
    overlapping = _overlaps(frames, pairs, turned, small, one, other)
    in_time = one_camera & (gap <= frame_gap) & (frame | stepped) & (overlapping == 0)
    distance = np.bitwise_count(frames.hashes[a].view(np.uint64) ^ frames.hashes[b].view(np.uint64))
    unlike = cosine < 0  # False where nothing is known
    same_moment = ~((gap > SAME_MOMENT_S) | ((frames.cameras[a] >= 0) & (frames.cameras[b] >= 0) & ~one_camera))
    copies = (distance <= COPY_DISTANCE) & np.where(
        same_moment,
        ((correlation >= COPY) & ~unlike) | ((correlation >= CROPPED) & (cosine >= ALIKE)),
        (distance <= HASH_DISTANCE) & (correlation >= STRICT) & ~(cosine < ALIKE),
    )
    kept = in_time | copies | (overlapping != 0)
    return Links(pairs[kept], correlation[kept], in_time[kept], copies[kept], overlapping[kept])


def _steps(frames: Frames, a: Indices, b: Indices) -> Flags:
    """Whether the second frame was given clearly more or less light than the first."""
    return (
        (np.abs(frames.light[a] - frames.light[b]) >= EV_STEP)
        | (np.abs(frames.bias[a] - frames.bias[b]) >= EV_STEP)
        | (frames.bracketed[a] & frames.bracketed[b])
    )


def _overlaps(
    frames: Frames, pairs: Indices, asked: Flags, small: npt.NDArray[np.uint8], one: Indices, other: Indices
) -> npt.NDArray[np.int64]:
    """In which direction frames of a panorama go on, for those of the pairs that are `asked` about."""
    a, b = pairs.T
    alike = ~(np.abs(frames.focal_lengths[a] - frames.focal_lengths[b]) > 0.5)
    alike &= ~(np.abs(frames.light[a] - frames.light[b]) >= EV_STEP)
    rows = np.flatnonzero(asked & alike & (frames.cameras[a] >= 0))
    directions = np.zeros(len(pairs), np.int64)
    if rows.size:
        earlier = frames.taken_at[a[rows]] <= frames.taken_at[b[rows]]
        match, right, down = shifted(small[one[rows]], small[other[rows]])
        turn = np.where(np.abs(right) >= np.abs(down), np.sign(right), 2 * np.sign(down))
        directions[rows] = np.where(match >= OVERLAP, np.where(earlier, turn, -turn), 0)
    return directions


# ---- what belongs together ----


def _components(count: int, pairs: Indices, most: int | None = None) -> list[Indices]:
    """Connected photos, two and more, by the first of each: union-find with halved paths.

    Pairs that would join more than `most` photos are left out, the later ones first.
    """
    parent, size = list(range(count)), [1] * count

    def root(photo: int) -> int:
        while parent[photo] != photo:
            parent[photo] = parent[parent[photo]]
            photo = parent[photo]
        return photo

    for one, other in pairs.tolist():
        a, b = sorted((root(one), root(other)))
        if a != b and (most is None or size[a] + size[b] <= most):
            parent[b] = a
            size[a] += size[b]
    groups: dict[int, list[int]] = {}
    for photo in np.unique(pairs).tolist():
        groups.setdefault(root(photo), []).append(photo)
    return [np.array(group, np.intp) for group in groups.values() if len(group) > 1]


def _stars(pairs: Indices, strength: Floats) -> list[Indices]:
    """Pairs of which each joins a photo to the one that most others resemble: no chain leads from copy to copy."""
    linked: dict[int, dict[int, float]] = {}
    for (one, other), value in zip(pairs.tolist(), strength.tolist(), strict=True):
        linked.setdefault(one, {})[other] = value
        linked.setdefault(other, {})[one] = value
    taken: set[int] = set()
    stars = []
    for middle in sorted(linked, key=lambda photo: (-len(linked[photo]), -sum(linked[photo].values()), photo)):
        rays = [] if middle in taken else [photo for photo in linked[middle] if photo not in taken]
        if rays:
            taken.update((middle, *rays))
            stars.append(np.array([(middle, photo) for photo in rays], np.intp))
    return stars


def _in_time(frames: Frames, members: Indices) -> tuple[int, ...]:
    return tuple(members[np.lexsort((members, frames.taken_at[members]))].tolist())


def _taken_in_one_go(frames: Frames, members: Indices, copied: Indices) -> bool:
    """Whether the frames were released one after the other: none far from the next.

    Where all have one time, the camera was quicker than its clock, unless each of them could be a copy of another.
    """
    times = np.sort(frames.taken_at[members])
    known = times[~np.isnan(times)]
    if known.size < 2 or len(np.unique(frames.cameras[members][~np.isnan(frames.taken_at[members])])) > 1:
        return False
    slowest = np.nan_to_num(np.nanmax(np.append(frames.seconds[members], 0.0)))
    if known[-1] == known[0]:
        return not np.isin(members, copied).all()
    return bool(np.diff(known).max() <= BURST_GAP_S + slowest)


def _series(frames: Frames, run: Indices) -> list[Indices]:
    """The exposure and focus series in a run of frames, which is in the order of time."""
    if len(run) < 2:
        return []
    distances = frames.distances[run]
    steps = np.diff(distances)
    if len(run) > 2 and ((steps > 0).all() or (steps < 0).all()) and np.ptp(frames.light[run]) <= EV_SAME:
        return [run]
    stepped = _steps(frames, run[:-1], run[1:])
    parts = np.split(run, np.flatnonzero(~stepped) + 1)
    return [part for part in parts if _is_series(frames, part)]


def _is_series(frames: Frames, part: Indices) -> bool:
    """Two frames are a series if the camera says so or their compensation differs; three by their exposures alone."""
    if len(part) < 2:
        return False
    if frames.bracketed[part].all() or np.ptp(frames.bias[part]) >= EV_STEP:
        return True
    steps = np.diff(np.sort(frames.light[part]))
    rungs = steps[steps > EV_SAME]
    return bool(2 <= len(rungs) < MOST_LEVELS and rungs.min() >= EV_LADDER and np.ptp(rungs) <= EV_SAME)


def _panoramas(frames: Frames, links: Links) -> list[Indices]:
    """Frames that go on in one direction, each overlapping with the one before."""
    groups = []
    for direction in (-2, -1, 1, 2):
        groups += _components(len(frames), links.pairs[links.overlapping == direction])
    return groups

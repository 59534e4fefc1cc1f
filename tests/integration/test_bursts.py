"""Groups from the files to the marks: found, ranked, told to people and to photo managers."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from support.commands import answer, keeprate, run
from support.photos import draw

WORSE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "cropped": lambda image: image.crop((0, 0, round(0.94 * image.width), round(0.94 * image.height))),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "compressed": lambda image: image,
}


def jpeg(image: Image.Image, quality: int = 92) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def at(data: bytes, second: int, hour: int, **tags: float) -> bytes:
    """The JPEG `data` with a capture time."""
    exif = Image.Exif()
    exif[0x110] = "Test Camera"
    detail = exif.get_ifd(0x8769)
    detail[0x9003] = f"2024:05:{1 + hour // 24:02d} {hour % 24:02d}:00:{second:02d}"
    for name, value in tags.items():
        detail[{"mode": 0xA402, "bias": 0x9204}[name]] = value
    block = exif.tobytes()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def write_group(folder: Path, number: int, original: bytes, *, timed: bool) -> None:
    """The original and its worse copies; the original is neither the first nor the last by name or time."""
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(original)).convert("RGB")
    made = {name: jpeg(worsen(image), 25 if name == "compressed" else 92) for name, worsen in WORSE.items()}
    for second, name in enumerate(("blurred", "cropped", "original", "darker", "compressed")):
        data = original if name == "original" else made[name]
        (folder / f"{number:03d}-{second}-{name}.jpg").write_bytes(at(data, second, number) if timed else data)


def original_first(groups: list[dict[str, object]]) -> int:
    """In how many groups of one photo the untouched one is the first."""
    count = 0
    for group in groups:
        names = [Path(member["path"]).stem for member in group["members"]]  # type: ignore[attr-defined]
        assert len({name[:3] for name in names}) == 1, "two photos were mixed up"
        count += names[0].endswith("original") and len(names) > 2
    return count


def test_a_burst_is_found_ranked_shown_and_marked(tmp_path: Path) -> None:
    root = tmp_path / "camera"
    scene = draw(1, size=(640, 480))
    write_group(root, 0, jpeg(scene), timed=True)
    for number, bias in enumerate((0.0, -2.0, 2.0)):
        data = jpeg(ImageEnhance.Brightness(draw(2, size=(640, 480))).enhance(1 + bias / 4))
        (root / f"series-{number}.jpg").write_bytes(at(data, number, 5, bias=bias, mode=2))
    (root / "alone.jpg").write_bytes(at(jpeg(draw(3, size=(640, 480))), 0, 9))
    keeprate("init", root)
    assert "2 groups" in keeprate("sync")

    burst, series = answer("groups")
    assert (burst["kind"], series["kind"]) == ("burst", "bracket")
    assert Path(burst["members"][0]["path"]).stem == "000-2-original"
    assert {Path(one["path"]).stem: one["why"][0] for one in burst["members"][1:] if one["why"]}[
        "000-0-blurred"
    ] == "less sharp"
    assert [Path(one["path"]).stem for one in series["members"]] == ["series-0", "series-1", "series-2"], "as taken"
    assert answer("groups", "--kind", "panorama") == []

    listed = answer("list", "--groups")
    places = {Path(photo["path"]).stem: photo["burst"] for photo in listed}
    assert places["alone"] is None
    assert places["000-2-original"]["position"] == 1
    together = [photo["burst"] is not None and photo["burst"]["burst"] for photo in listed]
    blocks = [group for group, _ in groupby(together) if group]
    assert len(blocks) == len(set(blocks)) == 2, "side by side"
    assert len(listed) == 9

    compared = answer("sync")["group"]
    assert compared["compared"] == 0, "nothing is compared twice"
    (root / "000-9-again.jpg").write_bytes(at(jpeg(scene, 60), 5, 0))
    assert answer("sync")["group"]["compared"] == 1
    assert len(answer("groups", "--kind", "burst")[0]["members"]) == len(burst["members"]) + 1
    for path in root.glob("000-*"):
        if "original" not in path.name:
            path.unlink()
    keeprate("scan")
    assert [group["kind"] for group in answer("groups")] == ["bracket"], "one photo is no group"


def test_a_kind_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    keeprate("init", tmp_path / "camera")
    assert run("groups", "--kind", "bursts").code == 2
    assert answer("groups") == []


def test_the_untouched_one_of_real_photos_comes_first(tmp_path: Path, shared_photos: Path) -> None:
    """30 photos twice: as bursts and as copies without a time. The bench does it with more kinds and strengths."""
    root = tmp_path / "camera"
    random = np.random.default_rng(5)
    paths = [*sorted(shared_photos.glob("dogs_cats/*/*.jpg")), *sorted(shared_photos.glob("savoias/Scenes/*.jpg"))]
    chosen = random.choice(len(paths), 60, replace=False).tolist()
    for number, row in enumerate(chosen):
        write_group(root, number, paths[row].read_bytes(), timed=number % 2 == 0)
    keeprate("init", root)
    keeprate("sync", timeout_s=300)
    groups = answer("groups")
    assert original_first(groups) >= 57, "95 %"


def test_worse_copies_of_a_camera_photo_come_after_it(tmp_path: Path, shared_photos: Path) -> None:
    root = tmp_path / "camera"
    root.mkdir()
    for path in (shared_photos / "degraded").glob("*.jpg"):
        os.symlink(path, root / path.name)
    keeprate("init", root)
    keeprate("sync")
    (group,) = answer("groups")
    assert len(group["members"]) == 5
    assert Path(group["members"][0]["path"]).name == "test.jpg"

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from keeprate.pictures.similarity import hamming_distance, perceptual_hash
from support.made_pictures import encoded, scene

SCENE = scene(900, 600)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [(0, 0, 0), (0, 1, 1), (-1, 0, 64), (-1, -1, 0), (-(2**63), 0, 1), (2**63 - 1, -(2**63), 64)],
)
def test_distances_count_bits_of_signed_numbers(one: int, other: int, distance: int) -> None:
    assert hamming_distance(one, other) == hamming_distance(other, one) == distance


@pytest.mark.parametrize("seed", range(5))
def test_copies_look_alike(seed: int) -> None:
    photo = scene(900, 600, seed)
    copies = {
        "smaller": photo.resize((300, 200)),
        "compressed": Image.open(io.BytesIO(encoded(photo, "JPEG", quality=20))),
        "brighter": ImageEnhance.Brightness(photo).enhance(1.15),
        "grey": photo.convert("L").convert("RGB"),
        "cropped a little": photo.crop((6, 4, 894, 596)),
    }
    distances = {name: hamming_distance(perceptual_hash(photo), perceptual_hash(copy)) for name, copy in copies.items()}
    assert max(distances.values()) <= 8, distances


def test_unrelated_photos_do_not() -> None:
    hashes = [perceptual_hash(scene(300, 200, seed)) for seed in range(12)]
    distances = [hamming_distance(one, other) for index, one in enumerate(hashes) for other in hashes[:index]]
    assert min(distances) >= 14


def test_hashes_fit_a_signed_64_bit_column() -> None:
    hashes = [perceptual_hash(scene(120, 80, seed)) for seed in range(20)]
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert len(set(hashes)) == 20


@pytest.mark.parametrize("colour", ["black", "white", "red"])
@pytest.mark.parametrize("size", [(1, 1), (32, 32), (900, 600)])
def test_a_flat_picture_has_no_features(size: tuple[int, int], colour: str) -> None:
    assert perceptual_hash(Image.new("RGB", size, colour)) == 0


def test_the_hash_of_a_picture_never_changes() -> None:
    """Stored hashes are compared with new ones."""
    ramp = np.add.outer(np.arange(320), np.arange(480)) % 256
    picture = Image.fromarray(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8))
    assert hamming_distance(perceptual_hash(picture), 2741748727037777264) <= 1

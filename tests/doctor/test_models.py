from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from doctor.conftest import Named
from keeprate.catalog import models, open_catalog
from keeprate.catalog.models import BUILTIN, Model
from keeprate.config.models import EmbeddingConfig
from keeprate.doctor import models as checks
from keeprate.doctor.finding import Patient, State
from keeprate.doctor.models import look_at_model, look_at_speed, told, try_model
from keeprate.doctor.trying_model import Tried
from keeprate.doctor.trying_model import _why_no_gpu as why_no_gpu
from support.waiting import COMMAND_S

BUILT_IN = Model(1, BUILTIN, BUILTIN, None, None, None, True, 0)
SETTINGS = EmbeddingConfig(threads=1)
FAST = Tried("2.13.0, built for CUDA 12.8", "NVIDIA H100", "", "cuda:0", "bfloat16", 512, 3.0, 900.0)


def activate(patient: Patient, path: str, *, embed_dim: int | None = None, name: str = "mine") -> None:
    with open_catalog(patient.home.catalog_file) as catalog:
        models.add(catalog, name, path, embed_dim=embed_dim, revision=None)
        models.activate(catalog, name)


def test_the_built_in_model_needs_nothing(patient: Patient, named: Named) -> None:
    found = named(look_at_model(patient))
    assert [(one.name, one.state) for one in found.values()] == [("model", "ok")]


def test_the_built_in_model_is_measured_in_a_process_of_its_own(patient: Patient, named: Named) -> None:
    found = named(look_at_speed(patient))
    assert found["model.speed"].state is State.OK
    assert "pictures a second (cpu, float32" in found["model.speed"].sentence
    assert "torch" not in sys.modules or "torch" in found  # only the other process loads it


def test_a_models_folder(patient: Patient, named: Named, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    activate(patient, str(folder))
    gone = named(look_at_model(patient))["model"]
    assert (gone.state, "its folder is not there" in gone.sentence) == (State.ERROR, True)
    folder.mkdir()
    empty = named(look_at_model(patient))["model"]
    assert "but config.json and the weights (model.safetensors) are missing there" in empty.sentence
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    assert named(look_at_model(patient))["model"].state is State.OK


def test_a_model_of_the_hub_that_was_never_downloaded(
    patient: Patient, named: Named, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    activate(patient, "facebook/dinov2-small", embed_dim=100)
    found = named(look_at_model(patient))
    assert found["model"].state is State.WARNING
    assert "are not on this machine yet" in found["model"].sentence
    assert (
        "is registered with 100 numbers a photo; facebook/dinov2-small gives 384" in found["model.dimension"].sentence
    )
    (speed,) = look_at_speed(patient)
    assert speed.sentence == "mine was not tried: its files are not on this machine yet."


@pytest.mark.slow
def test_a_real_model(patient: Patient, named: Named, shared_models: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = Path(shutil.copytree(shared_models / "mobilenetv1-128", tmp_path / "model"))
    activate(patient, str(folder), embed_dim=7)
    found = named(look_at_speed(patient))
    assert found["model.speed"].state is State.ERROR
    assert "registered with 7" in found["model.speed"].sentence
    assert found["torch"].state is State.OK
    with open_catalog(patient.home.catalog_file) as catalog:
        catalog.conn.execute("UPDATE models SET embed_dim = NULL WHERE name = 'mine'")
        catalog.conn.commit()
    assert named(look_at_speed(patient))["model.speed"].state is State.OK
    (folder / "model.safetensors").write_bytes(b"cut")
    broken = named(look_at_speed(patient))["model.speed"]
    assert (broken.state, "cannot embed" in broken.sentence) == (State.ERROR, True)


def test_a_process_that_dies_or_hangs(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = [sys.executable, "-c", "import os; os.write(2, b'no such symbol'); os.abort()"]
    assert try_model(BUILT_IN, SETTINGS, command=dying).failed == (
        "the process that tried it ended with -6 (no such symbol)"
    )
    silent = [sys.executable, "-c", ""]
    assert "it said nothing" in try_model(BUILT_IN, SETTINGS, command=silent).failed
    hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(subprocess.TimeoutExpired):
        try_model(BUILT_IN, SETTINGS, command=hanging, for_s=0.5)
    monkeypatch.setattr(checks, "TRY_FOR_S", 0.01)
    monkeypatch.setattr(try_model, "__kwdefaults__", {"for_s": 0.01, "command": tuple(hanging)})
    (found,) = look_at_speed(patient)
    assert (found.state, found.sentence) == (State.ERROR, "builtin did not embed one batch in 0.01 s.")


def test_what_a_trial_tells(named: Named) -> None:
    fast = named(told(BUILT_IN, FAST, SETTINGS))
    assert {one.state for one in fast.values()} == {State.OK}
    assert fast["gpu"].sentence == "torch sees NVIDIA H100."
    assert fast["model.speed"].sentence == (
        "builtin embeds 900.0 pictures a second (cuda:0, bfloat16; loaded in 3.0 s)."
    )
    unused = named(
        told(BUILT_IN, Tried("2.13.0", "", "An NVIDIA GPU has a driver, but it is old", per_s=50.0), SETTINGS)
    )
    assert unused["gpu"].state is State.WARNING
    slow = named(told(BUILT_IN, Tried(device="cpu", precision="float32", per_s=0.5), SETTINGS))
    assert (slow["model.speed"].state, "torch" in slow) == (State.WARNING, False)
    broken = named(told(BUILT_IN, Tried(no_gpu="torch cannot be imported: no libcudart", per_s=50.0), SETTINGS))
    assert broken["torch"].state is State.WARNING
    assert "gpu" not in broken
    other = Model(2, "mine", "/m", None, 512, "f", True, 3)
    wrong = named(told(other, Tried(dimension=100, per_s=50.0), SETTINGS))
    assert "gives 100 numbers instead of 512" in wrong["model.speed"].sentence


def test_why_no_gpu_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from keeprate.doctor import trying_model

    monkeypatch.setattr(trying_model, "NVIDIA", (tmp_path / "nvidia",))
    monkeypatch.setattr(trying_model, "AMD", (tmp_path / "kfd",))
    assert why_no_gpu("CUDA 12.8") == "there is none, or it has no driver"
    (tmp_path / "nvidia").touch()
    assert "was built for the processor only" in why_no_gpu("the processor only")
    assert "was built for ROCm 6.4" in why_no_gpu("ROCm 6.4")
    assert "may be too old for CUDA 12.8" in why_no_gpu("CUDA 12.8")
    (tmp_path / "nvidia").unlink()
    (tmp_path / "kfd").touch()
    assert "An AMD GPU has a driver, but this torch was built for CUDA 12.8" in why_no_gpu("CUDA 12.8")
    assert "may be too old for ROCm 6.4" in why_no_gpu("ROCm 6.4")


def test_the_trial_answers_one_line_of_json() -> None:
    trial = {
        "path": BUILTIN, "embed_dim": None, "revision": None, "device": "cpu", "precision": "auto", "threads": 1,
        "batch": 2,
    }  # fmt: skip
    done = subprocess.run(
        checks.COMMAND, input=json.dumps(trial) + "\n", capture_output=True, text=True, check=True, timeout=COMMAND_S
    )
    assert Tried(**json.loads(done.stdout)).per_s > 0

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from doctor.conftest import Named
from keeprate.catalog import labels, open_catalog
from keeprate.catalog.labels import Label, LabelSource
from keeprate.doctor import machine, program
from keeprate.doctor.finding import Patient, State
from keeprate.doctor.machine import look_at_clock, look_at_disk
from keeprate.doctor.program import look_at_memory, look_at_packages, look_at_python, size
from keeprate.paths import Home
from support.catalogs import add_file
from support.system import mounted_tmpfs


def home_at(folder: Path) -> Home:
    return Home(folder, folder, folder, folder / "cache", folder)


def test_room_for_the_catalog(patient: Patient, named: Named, tmp_path: Path) -> None:
    assert named(look_at_disk(patient))["disk"].state is State.OK
    for megabytes, expected in ((8, State.ERROR), (100, State.WARNING)):
        point = tmp_path / str(megabytes)
        point.mkdir()
        with mounted_tmpfs(point, size=f"{megabytes}m"):
            found = named(look_at_disk(Patient(home_at(point / "not" / "there"), patient.config)))["disk"]
        assert found.state is expected
        assert str(point) in found.sentence


def test_what_is_to_come_is_counted(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = look_at_disk(patient)
    assert before.sentence.endswith("about 200 MB will be needed.")
    with open_catalog(patient.home.catalog_file) as catalog:
        for number in range(1000):
            add_file(catalog, f"/p/{number}.jpg", f"key-{number}", inode=number)
    monkeypatch.setattr(machine, "PHOTO", 1_000_000)
    (after,) = look_at_disk(patient)
    assert after.sentence.endswith("about 2.2 GB will be needed.")


def test_the_clock(patient: Patient, named: Named) -> None:
    found = named(look_at_clock(patient))
    assert [(one.name, one.state) for one in found.values()] == [("clock", "ok")]
    future = time.time() + 86400
    with open_catalog(patient.home.catalog_file) as catalog:
        add_file(catalog, "/p/a.jpg", "key")
        with catalog.db.atomic():
            catalog.conn.execute("UPDATE files SET mtime_ns = ?", (int(future * 1e9),))
            labels.append(catalog, [Label("key", "keep", "keep", LabelSource.MOVE, future, None)])
    found = named(look_at_clock(patient))
    assert found["clock.files"].sentence == "1 photo was last changed in the future, such as /p/a.jpg."
    assert found["clock.labels"].state is State.WARNING


def test_a_clock_that_cannot_be(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FIRST_YEAR", datetime.now().year + 1)
    (found,) = look_at_clock(patient)
    assert (found.name, found.state) == ("clock", State.ERROR)
    assert found.sentence.endswith("that cannot be.")


def test_memory(patient: Patient, named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MEMORY_FOR_A_MODEL", 0)
    assert named(look_at_memory(patient))["memory"].state is State.OK
    monkeypatch.setattr(program, "LEAST_MEMORY", 1 << 50)
    jobs = patient.config.jobs.model_copy(update={"worker_memory": 10_000_000})
    found = named(look_at_memory(Patient(patient.home, patient.config.model_copy(update={"jobs": jobs}))))
    assert found["memory"].state is State.WARNING
    assert found["memory.limit"].advice.startswith("Set [jobs] worker_memory = ")


def test_python_and_packages(patient: Patient, named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    (python,) = look_at_python(patient)
    assert (python.state, sys.executable in python.sentence) == (State.OK, True)
    before = set(sys.modules)
    found = named(look_at_packages(patient))
    assert "pyexiv2 2." in found["packages.required"].sentence
    assert not {"torch", "transformers", "pystray"} & (set(sys.modules) - before)
    odd = program.Optional("odd", (("pytest", "pytest"), ("nowhere", "nowhere_at_all")), "odd things")
    gone = program.Optional("gone", (("nowhere", "nowhere_at_all"),), "nothing")
    monkeypatch.setattr(program, "OPTIONAL", (odd, gone))
    monkeypatch.setattr(program, "REQUIRED", (("nowhere", "nowhere_at_all"),))
    monkeypatch.setattr(program, "LEAST_PYTHON", (9, 9))
    found = named(look_at_packages(patient))
    assert found["packages.required"].state is State.ERROR
    assert found["packages.odd"].state is State.WARNING
    assert (found["packages.gone"].state, "keeprate[gone]" in found["packages.gone"].sentence) == (State.OK, True)
    (python,) = look_at_python(patient)
    assert (python.state, python.advice) == (State.ERROR, "Install keeprate with Python 9.9 or newer.")


def test_sizes_for_people() -> None:
    assert [size(count) for count in (0, 999, 1000, 1_500_000, 23_400_000_000, 123_000_000_000, 5e15)] == [
        "0 bytes", "999 bytes", "1 kB", "2 MB", "23.4 GB", "123 GB", "5000 TB"
    ]  # fmt: skip
    assert os.linesep not in size(1)

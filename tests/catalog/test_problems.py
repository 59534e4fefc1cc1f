"""Problems are told whatever bytes the names of files are made of."""

from __future__ import annotations

import os
from pathlib import Path

from keeprate.catalog import jobs, problems
from keeprate.catalog.connection import Catalog
from support.commands import answer, keeprate, run
from support.photos import write_photos


def test_a_reason_may_name_a_file_by_any_bytes(catalog: Catalog) -> None:
    odd = os.fsdecode(b"/p/keep/caf\xe9.jpg")
    for reason in (f"the same photo also lies in {odd}", f"and still lies in {odd}"):
        with catalog.db.atomic():
            problems.record(catalog, "label", "/p/delete/1.jpg", reason, library="camera")
        (problem,) = problems.latest(catalog)
        assert problem.reason == reason
    assert problem.count == 2


def test_what_came_of_a_job_may_name_one_too(catalog: Catalog) -> None:
    outcome = "The file cannot be written. " + os.fsdecode(b"/p/caf\xe9")
    jobs.record_run(catalog, "write", started_at=1.0, finished_at=2.0, outcome=outcome, failed=True)
    assert jobs.all_jobs(catalog)["write"].outcome == outcome


def test_two_copies_in_two_buckets_with_an_odd_name_stop_no_scan(tmp_path: Path) -> None:
    root = tmp_path / "Photos"
    (photo,) = write_photos(root / "delete", range(1))
    keeprate("init", root)
    Path(os.fsdecode(os.fsencode(root / "keep") + b"/caf\xe9.jpg")).write_bytes(photo.read_bytes())
    keeprate("scan", "--quiet")
    (problem,) = answer("status")["problems"]["list"]
    assert "two" in problem["reason"] or "one bucket" in problem["reason"]
    assert run("status").code == 0

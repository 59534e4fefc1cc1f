from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keeprate.api.metrics import Figure, Sample, written
from keeprate.service.control import WorkerStatus
from keeprate.steps.session import Session
from support.api import Serving, over_tcp, over_unix, serving


@pytest.fixture
def measured(scored: Session) -> Iterator[Serving]:
    config = scored.home.config_file
    config.write_text(config.read_text() + "\n[api]\nmetrics = true\n")
    with serving(scored.home) as serves:
        yield serves


def figures(here: Serving) -> dict[str, list[tuple[dict[str, str], float]]]:
    answered = over_tcp(here, "GET", "//metrics")
    assert answered.status == 200
    assert answered.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(answered.body.decode()):
        assert family.type == "gauge"
        assert family.documentation
        found[family.name] = [(sample.labels, sample.value) for sample in family.samples]
    return found


def test_they_are_off_by_default(here: Serving) -> None:
    assert over_unix(here, "GET", "//metrics").status == 404


def test_they_are_true(measured: Serving) -> None:
    job = replace(measured.control.said.jobs[0], last_finished_at=1.5e9, last_failed=True)
    measured.control.said = replace(
        measured.control.said, jobs=(job, *measured.control.said.jobs[1:]), worker=WorkerStatus(1, 12345, "cpu")
    )
    found = figures(measured)
    assert found["keeprate_photos"] == [({"library": "camera"}, 10)]
    assert found["keeprate_files"] == [({"library": "camera"}, 11)]
    assert found["keeprate_labels"] == [
        ({"head": "keep", "bucket": "keep"}, 1),
        ({"head": "keep", "bucket": "delete"}, 0),
    ]
    assert found["keeprate_job_last_run_timestamp_seconds"] == [({"job": "reconcile"}, 1.5e9)]
    assert ({"job": "reconcile"}, 1) in found["keeprate_job_failed"]
    assert found["keeprate_worker_memory_bytes"][0][1] == 12345
    assert 30e6 < found["keeprate_memory_bytes"][0][1] < 3e9
    assert found["keeprate_catalog_bytes"][0][1] >= measured.home.catalog_file.stat().st_size
    assert found["keeprate_info"][0][0]["version"]


def test_the_token_is_asked_for(measured: Serving) -> None:
    assert over_tcp(measured, "GET", "//metrics", token=False).status == 401


def test_names_from_strangers_break_nothing() -> None:
    name = 'a"b\\c\nd\udcff é'
    text = written([Figure("keeprate_x", "back\\slash\nand line", (Sample(1.5, {"library": name}),))])
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"library": 'a"b\\c\nd� é'}
    assert family.documentation == "back\\slash\nand line"

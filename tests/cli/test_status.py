"""`status` in headmaster's columns and lines, then ours (H45, H46)."""

from __future__ import annotations

import json
from dataclasses import replace

from keeprate.cli.showing_status import _decision, detail, summary
from keeprate.service.status import HeadStatus
from support.made_heads import made_metrics

HOTDOG = HeadStatus(
    name="hotdog", type="binary", buckets=("positive", "negative"), labels={"positive": 45, "negative": 312},
    images=357, missing=None, version=3, trained_at="2026-02-17T12:00:00+00:00", model="clip-vit-l", threshold=0.42,
    metrics=None, f1=0.94, kind="logistic", checkpoint="/w/out/hotdog.pt", checkpoint_note="Checkpoint hotdog.pt: …",
    reason="It is better.", last_attempt=None,
)  # fmt: skip
WEATHER = replace(
    HOTDOG, name="weather", type="multiclass", buckets=("cloudy", "rainy", "snowy", "sunny"),
    labels={"cloudy": 30, "rainy": 28, "snowy": 15, "sunny": 30}, images=103, version=None, trained_at=None, f1=None,
    model=None, threshold=None, missing="needs 2 more in 'foggy'",
)  # fmt: skip


def test_the_summary_has_headmasters_columns() -> None:
    assert list(summary((HOTDOG, WEATHER))) == [
        "HEAD            TYPE        BUCKETS                          IMAGES  TRAINED  F1",
        "hotdog          binary      positive(45) negative(312)          357  yes      0.94",
        "weather         multiclass  cloudy(30) rainy(28)...             103  no       —",
    ]


def test_the_summary_stays_a_table_with_long_names() -> None:
    odd = replace(WEATHER, name="a very long name of a head", buckets=("x" * 60, "y"), labels={"x" * 60: 1, "y": 2})
    lines = list(summary((HOTDOG, odd)))
    assert {line.index("IMAGES") + 6 for line in lines[:1]} == {line.rindex(" 357") + 4 for line in lines[1:2]}
    assert "xxx..." in lines[2]


def test_the_detail_begins_with_headmasters_lines() -> None:
    metrics = made_metrics()
    head = replace(
        HOTDOG, buckets=("keep", "delete"), labels={"keep": 10, "delete": 10}, metrics=json.loads(metrics.to_json())
    )
    lines = list(detail(head))
    first = metrics.buckets[0]
    assert lines[:10] == [
        "Head:       hotdog",
        "Type:       binary",
        "Model:      clip-vit-l",
        "Trained:    2026-02-17",
        "Buckets:    keep (10), delete (10)",
        f"Accuracy:   {metrics.accuracy:.2f}",
        f"Precision:  {first.precision:.2f}",
        f"Recall:     {first.recall:.2f}",
        f"F1:         {first.f1:.2f}",
        "Threshold:  0.42",
    ]
    told = "\n".join(lines)
    for ours in ("AUC: ", "ECE: ", "20 groups", "linear (logistic regression)", "/w/out/hotdog.pt", "It is better."):
        assert ours in told

    several = replace(head, type="multiclass", threshold=None)
    told = "\n".join(detail(several))
    assert f"  keep: precision {first.precision:.2f}, recall {first.recall:.2f}, F1 {first.f1:.2f}" in told
    assert "Threshold" not in told


def test_a_head_without_training_or_without_measurements_says_so() -> None:
    assert list(detail(WEATHER))[-1] == "\nNot trained yet: it needs 2 more in 'foggy'."
    imported = list(detail(replace(HOTDOG, kind="mlp", checkpoint=None, checkpoint_note=None, f1=None)))
    assert "Scores:     version 3, network (256-128)" in imported
    assert not any(line.startswith("Accuracy") for line in imported)


def test_a_head_with_fewer_than_two_buckets_is_of_no_type() -> None:
    lone = replace(WEATHER, name="lone", buckets=("one",), labels={"one": 3}, images=3)
    assert list(summary((lone,)))[1].split()[:3] == ["lone", "—", "one(3)"]
    assert "Type:       —" in list(detail(lone))


def test_a_head_that_learns_nothing_gets_advice_and_one_in_use_does_not() -> None:
    advice = "`keeprate model list --known`"
    assert advice in _decision(replace(WEATHER, last_attempt="It predicts no better."))
    assert advice not in _decision(WEATHER)
    assert advice not in _decision(replace(HOTDOG, last_attempt="It predicts no better."))

from __future__ import annotations

from pathlib import Path

from keeprate.catalog import Catalog, journal, runs

PLACE = Path("/p/1.jpg.xmp")


def planned(catalog: Catalog, run: int, before: bytes | None, after: bytes | None) -> int:
    change = journal.Planned(PLACE, "sidecar", "k1", before, after)
    (entry,) = journal.plan(catalog, [change], run_id=run, library="camera", manager="xmp")
    return entry


def written(catalog: Catalog, before: bytes | None, after: bytes | None, run: int | None = None) -> int:
    run_id = runs.begin(catalog, "write") if run is None else run
    journal.settle(catalog, {planned(catalog, run_id, before, after): "done"})
    return run_id


def test_a_planned_entry_is_not_standing_until_done(catalog: Catalog) -> None:
    run = runs.begin(catalog, "write")
    entry = planned(catalog, run, None, b"1")
    assert [one.id for one in journal.planned(catalog)] == [entry]
    assert journal.last_written(catalog, "xmp", PLACE, "sidecar") is None
    journal.settle(catalog, {entry: "done"})
    assert journal.planned(catalog) == []
    assert journal.last_written(catalog, "xmp", PLACE, "sidecar") == b"1"


def test_standing_entries_come_newest_first(catalog: Catalog) -> None:
    first = written(catalog, None, b"1")
    second = written(catalog, b"1", b"2")
    assert [entry.after for entry in journal.standing(catalog)] == [b"2", b"1"]
    assert [entry.after for entry in journal.standing(catalog, run_id=second)] == [b"2"]
    assert [entry.after for entry in journal.standing(catalog, run_id=first)] == [b"2", b"1"], (
        "what is on top goes first"
    )
    assert journal.last_write_run(catalog) == second
    assert journal.count_standing(catalog) == 1


def test_old_chains_merge_to_the_state_before_keeprate(catalog: Catalog) -> None:
    written(catalog, None, b"1")
    for number in range(1, 8):
        written(catalog, str(number).encode(), str(number + 1).encode())
    assert journal.compact(catalog, keep_runs=2) == 5
    entries = journal.standing(catalog)
    assert [(entry.before, entry.after) for entry in entries] == [(b"7", b"8"), (b"6", b"7"), (None, b"6")]


def test_a_chain_that_somebody_else_broke_is_not_merged(catalog: Catalog) -> None:
    written(catalog, None, b"1")
    written(catalog, b"changed by a viewer", b"2")
    for _ in range(2):
        runs_entry = written(catalog, b"2", b"2")
    assert runs_entry
    journal.compact(catalog, keep_runs=2)
    befores = [entry.before for entry in journal.standing(catalog)]
    assert None in befores
    assert b"changed by a viewer" in befores

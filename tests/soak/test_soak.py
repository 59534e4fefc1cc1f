"""The service in use: photos move, disks go, processes die, and commands are typed, all at once, by chance from a seed.

`make soak MINUTES=10`. KEEPRATE_SOAK_SEED=… repeats what the person did; when what happened beside it differs.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path

import pytest

from support.commands import answer, keeprate, run, set_quick
from support.removable import removable_disk
from support.soak_proof import catalogued, differences, fresh_scan, harm, left_over
from support.soak_service import Commands, Service
from support.soak_world import World
from support.waiting import wait_until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

MINUTES = float(os.environ.get("KEEPRATE_SOAK_MINUTES", "1"))
SEED = int(os.environ.get("KEEPRATE_SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
PHOTOS = 90
UNDISTURBED = 0.4
"""Of the time: the last part, in which the daemon is not killed, so that it can be seen what it grows by."""
GROWN_UP_AFTER_S = 120
"""In a shorter life it cannot be told what is growth and what was simply used for the first time."""
CONFIG = """
[library.marks.xmp]
mode = "embed"
stars = true
keywords = true
minimum_age_s = 0
"""


@pytest.fixture
def world(tmp_path: Path, home: Path) -> World:
    chance = random.Random(SEED)
    camera, phone = tmp_path / "Camera", tmp_path / "Phone"
    world = World(camera, phone, removable_disk(phone), Path(os.environ["XDG_DATA_HOME"]) / "Trash", chance)
    world.fill(PHOTOS)
    keeprate("init", camera)
    config = home / "keeprate" / "config.toml"
    config.write_text(config.read_text() + CONFIG)
    keeprate("init", phone)
    set_quick(home)
    config.write_text(
        config.read_text().replace("[watching]", '[watching]\nrescan_every = "20s"\ncheck_roots_every = "1s"')
    )
    keeprate("sync", "--quiet", timeout_s=300)
    return world


def why_not_at_rest(world: World, service: Service) -> str:
    """What the daemon has not seen or done yet; empty: nothing."""
    service.keep_up()
    status = answer("status")
    live = status["live"]
    if live is None:
        return "no daemon answers"
    found = sum(library["files"] for library in status["libraries"])
    if found != len(world.files):
        return f"{found} of {len(world.files)} files"
    if status["work"]["to_embed"] or status["work"]["to_score"]:
        return f"work left: {status['work']}"
    busy = [
        job for job in live["jobs"] if job["state"] in ("running", "waiting", "paused") and job["name"] != "retrain"
    ]
    return f"{live['sentence']} {busy}" if busy or live["state"] not in ("idle", "attention") else ""


def wait_for_rest(world: World, service: Service, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while why := why_not_at_rest(world, service):
        assert time.monotonic() < deadline, f"seed {SEED}: not at rest after {timeout_s:g} s: {why}"


def test_the_service_in_use(world: World, home: Path, tmp_path: Path) -> None:
    print(f"\nsoak: seed {SEED}, {MINUTES:g} minutes, the phone's disk is a {world.disk.kind}")
    log = tmp_path / "service.log"
    service = Service(log)
    beside = random.Random(SEED + 1)
    commands = Commands(tmp_path, random.Random(SEED + 2))
    began = time.monotonic()
    ends, undisturbed_from = began + 60 * MINUTES, began + 60 * MINUTES * (1 - UNDISTURBED)
    sampled_at = 0.0
    try:
        service.keep_up()
        while (now := time.monotonic()) < ends:
            service.keep_up()
            world.act()
            if now - sampled_at > 0.5:
                service.sample()
                sampled_at = now
            turn = beside.random()
            if turn < 0.02 and now < undisturbed_from:
                service.kill()
            elif turn < 0.03 and now < undisturbed_from:
                service.stop()
            elif turn < 0.08:
                service.kill_worker()
            elif turn < 0.10:
                service.reload()
            elif turn < 0.16:
                world.done.append(f"{time.strftime('%H:%M:%S')} command: {commands.one()}")
            # now and then a breath, so that the daemon comes to learn and to rest
            pause_until = time.monotonic() + beside.choices((0, 0.02, 0.1, 0.5, 6), (8, 4, 4, 4, 1))[0]
            wait_until(lambda until=pause_until: time.monotonic() >= until)  # type: ignore[misc]
        world.settle()
        service.keep_up()
        commands.resume_writing()
        wait_for_rest(world, service, 300)
        wait_until(lambda: not service.children, what="the worker is gone")
        service.sample()
        service.stop()
    finally:
        service.close()
        (tmp_path / "acts.txt").write_text("\n".join(world.done), encoding="utf-8", errors="surrogateescape")
        print(f"{len(world.done)} acts, {commands.run} commands, {service.lives} lives, ended {service.kills}")
        print(service.table())
        print(f"log: {log}\nacts: {tmp_path / 'acts.txt'}")
    check(world, home, tmp_path, service, commands)


def check(world: World, home: Path, tmp_path: Path, service: Service, commands: Commands) -> None:
    said = service.log.read_text(encoding="utf-8", errors="replace")
    found = catalogued(home / "keeprate")
    fresh = fresh_scan(home / "keeprate", tmp_path / "fresh")
    wrong = [
        *service.unexpected,
        *commands.failures,
        *differences(found, fresh, world),
        *harm(world, undone=False),
        *(f"left over: {path}" for path in left_over(world.camera, world.phone, home)),
        *([f"{found.open_marks} marks are planned and not done"] if found.open_marks else []),
        *(["there is a traceback in the log"] if "Traceback" in said else []),
        *(f"problem: {one}" for one in found.problems if one[0] not in ("label", "marks")),
        *growth(service),
    ]
    print(f"{len(found.files)} files, {len(found.labels)} labels, {len(found.held)} held, {found.standing_marks} marks")
    undone = run("undo", "--all", timeout_s=300)
    if undone.code != 0:
        wrong.append(f"undo ended with {undone.code}: {undone.out}{undone.err}")
    wrong += harm(world, undone=True)
    assert not wrong, f"seed {SEED}\n" + "\n".join(wrong)


def growth(service: Service) -> list[str]:
    """What grew during the last life of the daemon, from its first third to its last.

    In a short life the memory tells nothing, and of the rest only what leaks with every act.
    """
    life = service.last_life()
    if len(life) < 30:
        print("growth: not judged, the last life was too short")
        return []
    lasted_s = life[-1].at - life[0].at
    grown_up = lasted_s >= GROWN_UP_AFTER_S
    if not grown_up:
        print(f"growth: of {lasted_s:.0f} s, so memory is not judged")
    third = len(life) // 3
    early, late = life[third // 2 : third + third // 2], life[-third:]
    wrong = []
    few = 3 if grown_up else 10
    for name, allowed in (("rss", 6e6 if grown_up else 1e9), ("descriptors", few), ("threads", few)):
        before, after = (statistics.median(getattr(one, name) for one in part) for part in (early, late))
        if after - before > allowed:
            wrong.append(f"{name} grew from {before:,.0f} to {after:,.0f} in {lasted_s:.0f} s")
    return wrong

"""A snapshot is whole or not there, its user's alone, and no more of them than the parameters allow."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flights import CAMERA, KnownLocalizer, PlainMap, stamps, true_pose

from promptmid_core.errors import InputError
from promptmid_core.geometry import Prior
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.upkeep import Upkeep
from promptmid_ros.inbox import Arrival
from promptmid_ros.snapshot import save_snapshot
from promptmid_ros.worker import Outcome

REFERENCE: Any = SimpleNamespace(path=Path("plain_map"), frame=PlainMap().frame, gsd=10.0, descriptor_name="known",
                                 fingerprint="known-1")


def outcome(number: int = 0) -> Outcome:
    stamp = stamps(number + 1)[number]
    localizer = KnownLocalizer()
    pixels = np.random.default_rng(number).integers(0, 255, (CAMERA.height, CAMERA.width), np.uint8)
    frame = Frame(stamp, pixels, CAMERA)
    fix = localizer.track(localizer.match(frame, Prior(stamp, true_pose(stamp), np.eye(6))))
    return Outcome(Arrival(None, 0.0, 0), fix, frame, 12.0, REFERENCE)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_it_is_its_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        saved = save_snapshot(tmp_path / "new" / "shots", outcome(), Upkeep())
    finally:
        os.umask(before)
    assert tree(saved) == ["arrays.npz", "frame.png", "verdict.json"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in saved.iterdir())
    assert saved.stat().st_mode & 0o777 == 0o700
    # the same image again is no other snapshot
    assert save_snapshot(tmp_path / "new" / "shots", outcome(), Upkeep()) == saved


def test_no_more_than_so_many(tmp_path: Path) -> None:
    upkeep = Upkeep(snapshots_most=2)
    for number in (0, 1):
        save_snapshot(tmp_path, outcome(number), upkeep)
    before = tree(tmp_path)
    with pytest.raises(InputError, match=r"holds 2 snapshots already; move them away or raise snapshots_most$"):
        save_snapshot(tmp_path, outcome(2), upkeep)
    assert tree(tmp_path) == before
    save_snapshot(tmp_path, outcome(2), Upkeep(snapshots_most=3))


def test_no_more_than_so_many_bytes(tmp_path: Path) -> None:
    first = save_snapshot(tmp_path, outcome(0), Upkeep())
    (first / "frame.png").write_bytes(bytes(999_000))
    with pytest.raises(InputError, match=r"holds 1 MB of snapshots.*raise snapshots_most_mb$"):
        save_snapshot(tmp_path, outcome(1), Upkeep(snapshots_most_mb=1))
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    save_snapshot(tmp_path, outcome(1), Upkeep(snapshots_most_mb=2))


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = os.fsync
    written: list[int] = []

    def full(file: int) -> None:
        written.append(file)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        synced(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left on device.*snapshot_dir"):
        save_snapshot(tmp_path, outcome(), Upkeep())
    assert len(written) == 2
    assert tree(tmp_path) == []

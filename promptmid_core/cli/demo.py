"""`promptmid demo`: a stranger's first look, made of the commands that they will use themselves."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from promptmid_core.bags.liverun import LOG, NotRun, write_run
from promptmid_core.cli.parsing import command
from promptmid_core.errors import InputError
from promptmid_core.files import make_folder, writing

MARK = ".promptmid-demo"
# frames come once a second; so fast that nobody waits long, and so slow that two cores judge every one of them
LIVE_RATE = 4.0


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    show = command(commands, "demo", _demo,
                   "from a simulated world to a report, in one command", "promptmid demo --out demo_out")
    show.add_argument("--out", type=Path, default=Path("demo_out"), metavar="DIR",
                      help="gets world, map, flight and report; default: demo_out")
    show.add_argument("--seed", type=int, default=1, metavar="S", help="what world and flight are made by; default: 1")
    show.add_argument("--frames", type=int, default=120, metavar="N", help="images of the flight, one a second; default: 120")


def _demo(args: argparse.Namespace) -> None:
    """Simulate a world, build its map, fly over it, live and as a replay; everything lands in the folder `--out`.

    An earlier demo's folder is made anew; InputError where the folder holds anything else, and, once the report is written,
    where the live run failed.
    """
    out, seed, frames = args.out, args.seed, args.frames
    if out.exists():
        if not (out / MARK).is_file():
            raise InputError(f"{out} exists and is no demo's folder; choose another with --out")
        with writing(out, "remove it yourself"):
            shutil.rmtree(out)
    make_folder(out)
    (out / MARK).touch()
    world, bag, reference = out / "world", out / "flight", out / "map"
    _step(["simulate", "world", "--out", f"{world}", "--seed", f"{seed}"])
    _step(["map", "build", f"{world / 'sar.tif'}", f"{reference}", "--landcover", f"{world / 'landcover.tif'}",
         "--dem", f"{world / 'dem.tif'}"])
    _step(["simulate", "flight", "--optical", f"{world / 'optical.tif'}", "--dem", f"{world / 'dem.tif'}", "--out", f"{bag}",
         "--frames", f"{frames}", "--seed", f"{seed}", "--footprint-px", "512", "--drift-px", "40", "--yaw-error-deg", "3",
         "--altitude-error-percent", "2"])
    failed = _fly_live(bag, reference, out / "live")
    _step(["replay", f"{bag}", "--map", f"{reference}", "--live", f"{out / 'live'}", "--json", f"{out / 'replay.json'}",
         "--report", f"{out / 'report.html'}"])
    if failed:
        raise InputError(failed)


def _step(words: list[str]) -> None:
    """Run a command as its user would type it; a step that fails ends the demo with that step's own sentence."""
    from promptmid_core.cli import parser, run

    print(f"\n$ promptmid {' '.join(words)}", flush=True)
    args = parser().parse_args(words)
    args.command = f"promptmid {' '.join(words)}"
    if run(args):
        raise InputError(f"'promptmid {' '.join(words)}' failed")


def _fly_live(bag: Path, reference: Path, out: Path) -> str | None:
    """The flight through the ROS 2 node, in processes of its own; returns what failed.

    Where there was no run, the folder `out` says why, for the table and the report.
    """
    from promptmid_core.doctor.rosprobe import probe_ros

    rmw, trouble = probe_ros()
    if rmw is None:
        write_run(out, NotRun(f"ROS 2 cannot be used from this Python ({trouble})"))
        return None
    words = [sys.executable, "-m", "promptmid_ros.rehearsal.live", f"{bag}", "--map", f"{reference}", "--out", f"{out}",
             "--rate", f"{LIVE_RATE:g}"]
    print(f"\n$ python {' '.join(words[1:])}", flush=True)
    process = subprocess.Popen(words)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # it was interrupted too, and stops the node before it ends
        process.wait()
        raise
    if not code:
        return None
    sentence = f"the live run failed with exit code {code}; {out / LOG} is what the node printed"
    write_run(out, NotRun(sentence))
    return sentence

"""What each part of the profile `full` is worth: train it whole and without a part, and hold all against each other.

usage: python examples/ablate_full.py CONFIG.yaml --data DIR... --pairs PAIRS --out OUT [--sources A,B] [--steps 400] [--batch 8]
                                      [--patch 128] [--trials 600]

CONFIG.yaml describes the checkpoints (docs/training.md). Stage 1 tunes the U-Net once; stage 2 trains the aggregation whole,
without the diffusion branch, without the vision branch, and without the gate that weighs granularities. All see the same
samples. Then `promptmid bench` matches PAIRS, which should not be among DIR, with all of them. The same command resumes.
"""

import argparse
from pathlib import Path

import yaml

from promptmid_core.cli import main

VARIANTS = {"whole": (), "no_diffusion": ("--without", "diffusion"), "no_vision": ("--without", "vision"),
            "no_gate": ("--without", "gate")}


def recipe(path: Path, args: argparse.Namespace, rate: float) -> Path:
    steps = args.steps
    cycle = {"steps": steps, "batch": args.batch, "rate": rate, "warm_up": steps // 10, "every": max(steps // 4, 1)}
    values = {"network": {}, "cycles": [cycle], "seed": 1, "weight": 1.0, "evidence": [0.37, 0.42, 1.27, -5.8],
              "geometry": {"patch": args.patch, "window": args.patch + 64}, "lora_rank": 0}
    path.write_text(yaml.safe_dump(values))
    return path


def run(*words: object) -> None:
    if status := main([str(word) for word in words]):
        raise SystemExit(status)


def ablate(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    data = ["--data", *args.data, *(["--sources", args.sources] if args.sources else [])]
    tuned = args.out / "promptdm"
    run("train", "promptdm", "--model", args.config, *data, "--recipe", recipe(args.out / "1.yaml", args, 5e-4), "--out", tuned)
    methods = ["structural"]
    for name, without in VARIANTS.items():
        run("train", "aggregate", "--model", tuned / "config.yaml", *data, "--recipe",
            recipe(args.out / "2.yaml", args, 2e-3), "--out", args.out / name, *without)
        profile = args.out / name / "full"
        methods += [f"promptmid:{profile}", f"promptmid:{profile}/learned"]
    run("bench", args.pairs, "--trials", args.trials, "--methods", ",".join(methods), "--json", args.out / "bench.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--sources")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128, help="px, a multiple of 64; windows are 64 px wider")
    parser.add_argument("--trials", type=int, default=600)
    ablate(parser.parse_args())

"""Fit the log-odds of a true match (Descriptor.evidence), which choose among the matches of a frame, on pairs of images.

usage: python examples/fit_evidence.py PAIRS [--descriptor structural] [--chips 24] [--frames 8] [--seed 1]

PAIRS holds optical/NAME.png and sar/NAME.png, registered to each other, black where there is no data. Over each chip a short
flight is simulated; its frames are matched with the chip's own map (true matches: ground error below 4 px), with the map
mirrored, with the map upside down, and with another chip's map (false matches, all of them). A logistic regression with a small
ridge on (score, margin, surplus of agreeing tie points) gives the weights; printed with them is how many true and false matches
pass each threshold. Use training images only.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.transform import from_origin
from scipy.optimize import minimize
from tqdm import tqdm

from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import Descriptor, load
from promptmid_core.errors import InputError
from promptmid_core.geometry import boresight_point
from promptmid_core.localization.fix import Candidate
from promptmid_core.localization.integrity import CHANCE_SHARE, SHARED_GROUND
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.recording import Recording
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

GSD, TRUE_PX = 8.3, 4.0
FOOTPRINTS = (360, 260, 200)


def write(path: Path, image: np.ndarray) -> Path:
    bands = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    with rasterio.open(path, "w", driver="GTiff", width=image.shape[1], height=image.shape[0], count=len(bands), dtype="uint8",
                       crs="EPSG:32611", transform=from_origin(500_000, 4_000_000, GSD, GSD), nodata=0) as target:
        target.write(bands)
    return path


def features(candidate: Candidate) -> list[float]:
    """Score, margin and surplus, as `integrity.evidence` takes them."""
    s = candidate.scores
    n, k = s["ties"], s["agreeing"]
    surplus = (k - n * CHANCE_SHARE) / np.sqrt(n * CHANCE_SHARE * (1 - CHANCE_SHARE) * SHARED_GROUND)
    return [s["score"], s["margin"], float(surplus)]


def matches(bag: Path, sar: Path, folder: Path, descriptor: Descriptor) -> list[tuple[float, list[float]]]:
    """Ground error in px and features of every frame that was measured."""
    reference = build_map(Sources(sar), folder, BuildOptions(descriptor))
    localizer, recording = Localizer(reference, descriptor), Recording(open_bag(bag), reference.frame)
    found = []
    for image in recording.images():
        frame, (prior, _) = recording.intake.frame(image.message), recording.intake.odometry.at(image.stamp_ns)
        candidate = localizer.match(frame, prior)
        truth = recording.truth(image.stamp_ns)
        if candidate.pose is not None and truth is not None:
            ground = [boresight_point(frame.camera, pose, localizer.terrain) for pose in (candidate.pose, truth)]
            found.append((float(np.linalg.norm(ground[0] - ground[1])) / reference.gsd, features(candidate)))
    return found


def fit(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Weights of the features, then the constant."""
    x, y = np.vstack([true, false]), np.concatenate([np.ones(len(true)), -np.ones(len(false))])
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    z = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    w = minimize(lambda w: np.logaddexp(0, -y * (z @ w)).sum() + 0.5 * (w[:-1] ** 2).sum(), np.zeros(z.shape[1])).x
    return np.append(w[:-1] / deviation, w[-1] - (w[:-1] * mean / deviation).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--descriptor", default="structural")
    parser.add_argument("--frames", type=int, default=8, help="of each chip's flight")
    parser.add_argument("--chips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    names = sorted(p.name for p in (args.pairs / "optical").glob("*.png"))
    names = [names[i] for i in np.random.default_rng(args.seed).permutation(len(names))[:args.chips]]
    if len(names) < 2:
        raise SystemExit(f"{args.pairs} holds fewer than two pairs optical/NAME.png, sar/NAME.png")

    descriptor = load(args.descriptor)
    true, false, wrong = [], [], 0
    for i, name in enumerate(tqdm(names, unit="chip")):
        optical = cv2.imread(str(args.pairs / "optical" / name))[..., ::-1]
        sar, other = (cv2.imread(str(args.pairs / "sar" / n), cv2.IMREAD_GRAYSCALE) for n in (name, names[i - 1]))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            try:
                simulate_flight(write(folder / "optical.tif", optical), folder / "bag", FlightOptions.of(frames=args.frames,
                                seed=args.seed, footprint_px=FOOTPRINTS[i % len(FOOTPRINTS)], drift_px=40, yaw_error_deg=3,
                                altitude_error_percent=2, image_size=(640, 480), frame_rate_hz=0.2))
            except InputError as error:
                tqdm.write(f"{name} left out: {error}")
                continue
            for kind, image in {"own": sar, "mirrored": sar[:, ::-1], "upside_down": sar[::-1], "other": other}.items():
                for error, row in matches(folder / "bag", write(folder / f"{kind}.tif", image), folder / kind, descriptor):
                    if kind != "own":
                        false.append(row)
                    elif error < TRUE_PX:
                        true.append(row)
                    else:
                        wrong += 1
    weights = fit(np.array(true), np.array(false))
    print(f"{len(true)} true matches, {wrong} of the own map wrong, {len(false)} of decoys")
    print("evidence: (" + ", ".join(f"{w:.2f}" for w in weights) + ")")
    at_true, at_false = (np.array(rows) @ weights[:-1] + weights[-1] for rows in (true, false))
    for threshold in (-4, -2, 0, 1, 2):
        passed, slipped = np.mean(at_true > threshold), np.mean(at_false > threshold)
        print(f"log-odds above {threshold:2d}: {passed:.1%} of true, {slipped:.2%} of false")


if __name__ == "__main__":
    main()

"""Pairs of frames and priors for the reasons of how one frame matches."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from overflight import PATCH_PX, SIGMAS, Overflight, narrowed
from reason_pairs import Verdict, below, between, flip, pair

from promptmid_core.geometry import Prior
from promptmid_core.localization.fix import Candidate
from promptmid_core.reasons import Reason


@pair(Reason.PEAK_AT_EDGE)
def on_the_rim(over: Overflight) -> tuple[Verdict, Verdict]:
    """24 pixels are searched, in coarse cells of 4: a peak on the sixth is on the rim, one on the fifth is not."""
    def judged(off: float) -> Candidate:
        return over.match(over.prior(0.0, off, sigmas=(60.0, 60.0, 20.0, 1e-3, 1e-3, 0.01)), most_radius_px=24.0)

    reached, missed = flip(Reason.PEAK_AT_EDGE, judged, -240.0, -200.0, 1.0)
    assert reached.prior is not None
    between(-220.0, (reached.prior.pose.position[1] - over.truth().position[1], -200.0), 40.0)
    return reached, missed


# what places a frame whose tie points do not hold it
no_joint_place = patch("promptmid_core.localization.solver.jointly", lambda *_: None)


@pair(Reason.FEW_TIE_POINTS)
@no_joint_place
def too_few_agree(over: Overflight) -> tuple[Verdict, Verdict]:
    agreeing = int(over.match().scores["agreeing"])
    return over.match(least_ties=agreeing + 1), over.match(least_ties=agreeing)


@pair(Reason.FEW_TIE_POINTS)
def all_blocks_together_are_not_exact_enough(over: Overflight) -> tuple[Verdict, Verdict]:
    covariance = over.match(least_ties=1000).covariance
    assert covariance is not None
    worst = float(np.linalg.eigvalsh(covariance[:2, :2])[-1]) ** 0.5 / over.reference.gsd
    below_it, above_it = worst * (1 - 1e-6), worst * (1 + 1e-6)
    return over.match(least_ties=1000, agreement_px=below_it), over.match(least_ties=1000, agreement_px=above_it)


@pair(Reason.FEW_TIE_POINTS)
@no_joint_place
def no_more_than_by_chance(over: Overflight) -> tuple[Verdict, Verdict]:
    """In deviations of a binomial of which 28 % agree by chance, of a quarter as many independent blocks."""
    scores = over.match().scores
    n, k = scores["ties"], scores["agreeing"]
    surplus = float((k - 0.28 * n) / np.sqrt(0.28 * 0.72 * n * 4))
    return over.match(least_surplus=surplus * (1 + 1e-9)), over.match(least_surplus=surplus * (1 - 1e-9))


@pair(Reason.FEW_TIE_POINTS)
@no_joint_place
def too_few_blocks(over: Overflight) -> tuple[Verdict, Verdict]:
    """A block counts where the frame covers half of it; six of them are needed for a solution."""
    loose = {"patch_px": 128, "least_valid": 0.0, "least_ties": 3, "least_surplus": -10.0, "least_spread": 0.0,
             "halves_px": 1000.0, "agreement_px": 50.0}

    def judged(columns: float) -> Candidate:
        cut = int(columns)
        frame = over.frame()
        return over.match(None, replace(frame, image=frame.image[:, cut:], camera=narrowed(over.camera, cut, 0)), **loose)

    reached, missed = flip(Reason.FEW_TIE_POINTS, judged, 450.0, 200.0, 2.0)
    assert "enough tie points for a solution" in reached.sentence and missed.scores["ties"] >= 6
    return reached, missed


@pair(Reason.TIE_POINTS_CLUSTERED)
@no_joint_place
def in_the_narrow_direction(over: Overflight) -> tuple[Verdict, Verdict]:
    best = over.hypothesis(over.prior(), over.frame())
    assert best.match is not None
    narrow = float(np.linalg.eigvalsh(np.cov(best.match.ties.seen[best.match.agree, :2].T))[0])
    extent = narrow ** 0.5 / (PATCH_PX * over.reference.gsd)
    return over.match(least_spread=extent * (1 + 1e-9)), over.match(least_spread=extent * (1 - 1e-9))


@pair(Reason.IMPLAUSIBLE_ROTATION)
def turned_to_the_left(over: Overflight) -> tuple[Verdict, Verdict]:
    return _turned(over, 1.0)


@pair(Reason.IMPLAUSIBLE_ROTATION)
def turned_to_the_right(over: Overflight) -> tuple[Verdict, Verdict]:
    return _turned(over, -1.0)


def _turned(over: Overflight, side: float) -> tuple[Verdict, Verdict]:
    def prior(yaw: float) -> Prior:
        return over.prior(0, 0, 0, 0, 0, yaw, sigmas=(*SIGMAS[:5], 0.025))

    limit = 1.5 * over.scope(prior(0.0), over.frame()).extent.yaw + 0.02
    reached, missed = flip(Reason.IMPLAUSIBLE_ROTATION, lambda yaw: over.match(prior(yaw)), side * (limit + 0.02),
                           side * (limit - 0.02), 1e-4)
    between(limit, tuple(abs(_change(each)[5]) for each in (reached, missed)), 1e-3)
    return reached, missed


def _change(candidate: Candidate) -> np.ndarray:
    assert candidate.pose is not None and candidate.prior is not None
    return candidate.pose.correction_from(candidate.prior.pose)


@pair(Reason.IMPLAUSIBLE_SCALE)
def lower_than_the_prior_allows(over: Overflight) -> tuple[Verdict, Verdict]:
    return _scaled(over, 1.0)


@pair(Reason.IMPLAUSIBLE_SCALE)
def higher_than_the_prior_allows(over: Overflight) -> tuple[Verdict, Verdict]:
    return _scaled(over, -1.0)


def _scaled(over: Overflight, side: float) -> tuple[Verdict, Verdict]:
    def prior(up: float) -> Prior:
        return over.prior(0, 0, up, sigmas=(*SIGMAS[:2], 60.0, *SIGMAS[3:]))

    def judged(up: float) -> Candidate:
        return over.match(prior(up), sigmas=1.0)

    reached, missed = flip(Reason.IMPLAUSIBLE_SCALE, judged, side * 0.09 * over.height, side * 0.02 * over.height, 0.5)
    past = []
    for each in (reached, missed):
        assert each.prior is not None
        scope = over.scope(each.prior, over.frame(), sigmas=1.0)
        past.append(abs(_change(each)[2]) / scope.height - (1.5 * scope.extent.scale + 0.01))
    between(0.0, (past[0], past[1]), 1e-3)
    return reached, missed


@pair(Reason.HALVES_DISAGREE)
def two_halves(over: Overflight) -> tuple[Verdict, Verdict]:
    truth = over.truth(-800.0, 300.0)
    frame, prior = over.frame(truth), over.prior(truth=truth)
    best = over.hypothesis(prior, frame)
    assert best.match is not None
    apart = over.matcher().solver.halves(best.match, best.start, frame, prior) / best.gsd
    assert apart > 0.05
    return over.match(prior, frame, halves_px=below(apart)), over.match(prior, frame, halves_px=apart)

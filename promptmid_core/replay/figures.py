"""The plots of the report, as data URIs that stand in the HTML itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.plots import DASHED, EDGE, INK, MUTED, cumulative, encoded, figure, legend_above, styled, uri
from promptmid_core.preview.overview import overview
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.metrics import FALSE_FIX_PX
from promptmid_core.replay.run import D2_50, D2_95, Flight, ReplayedFrame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUTH, PRIOR, FIX, REFUSED = "#111827", "#d97706", "#1d5fd1", "#d3302f"
WIDE, HALF, MAP_WIDTH = (7.8, 3.5), (5.2, 3.8), 7.0
MARGIN = 0.08
LEAST_PX = 0.02  # the foot of the logarithmic axis
MANY = 2000  # as many markers are drawn as pixels: an SVG of more is slow to show


def trajectory(flight: Flight, reference: ReferenceMap) -> str | None:
    """Truth, prior, fixes and refused frames over the SAR map; None where no frame has a position."""
    from matplotlib.patheffects import Normal, Stroke

    truth = _positions(frame.truth.position for frame in flight.frames if frame.truth)
    prior = _positions(frame.fix.candidate.prior.pose.position for frame in flight.frames if frame.fix.candidate.prior)
    fixes = _positions(frame.fix.pose.position for frame in flight.frames if frame.fix.pose)
    refused = _positions(place for frame in flight.frames if not frame.fix.accepted and (place := _place(frame)) is not None)
    tracks = np.vstack([truth, prior, fixes])
    if not len(tracks):
        return None

    col, row = reference.grid.to_pixel(tracks[:, 0], tracks[:, 1])
    pad = max(MARGIN * float(max(np.ptp(col), np.ptp(row))), flight.patch_px / 2)
    window = (float(col.min()) - pad, float(row.min()) - pad, float(col.max()) + pad, float(row.max()) + pad)
    image, bounds = overview(reference, window)
    west, south, east, north = (edge / 1e3 for edge in bounds)

    with styled():
        drawn = figure(MAP_WIDTH, MAP_WIDTH * float(np.clip((north - south) / (east - west), 0.4, 1.2)) + 0.6)
        axes = drawn.add_subplot()
        # a backdrop: pale, so that the tracks can be read
        axes.imshow(120 + image * 0.53, extent=(west, east, south, north), cmap="gray", vmin=0, vmax=255)
        axes.grid(visible=False)
        outline = [Stroke(linewidth=3.6, foreground="white"), Normal()]
        if len(truth):
            axes.plot(*_km(truth), color=TRUTH, linewidth=1.2, label="truth", zorder=4)
        if len(prior):
            axes.plot(*_km(prior), color=PRIOR, linewidth=1.8, linestyle=DASHED, label="prior", path_effects=outline)
        if len(fixes):
            axes.plot(*_km(fixes), "o", color=FIX, markersize=5, markeredgecolor="white", markeredgewidth=0.4, zorder=3,
                      label=f"fix ({len(fixes)})")
        if len(refused):
            axes.plot(*_km(refused), "X", color=REFUSED, markersize=7, markeredgecolor="white", markeredgewidth=0.8, zorder=5,
                      label=f"refused ({len(refused)})")
        axes.set(xlabel="x, km east of the map's origin", ylabel="y, km north", aspect="equal")
        axes.set(xlim=(west, east), ylim=(south, north))
        legend_above(axes)
        return uri(encoded(drawn, "png"), "png")


def errors_over_time(flight: Flight) -> str | None:
    """Draw the horizontal error and its 95 % band over time, the prior's error, and refused frames on the axis; None without
    frames."""
    if not flight.frames:
        return None
    fixes = [frame for frame in flight.frames if frame.fix.accepted]
    refused = [frame for frame in flight.frames if not frame.fix.accepted]
    with styled():
        drawn = figure(*WIDE)
        axes = drawn.add_subplot()
        seconds, errors = _over_time(flight, flight.frames, [frame.prior_error_px for frame in flight.frames])
        if len(seconds):
            axes.plot(seconds, errors, color=PRIOR, linewidth=1.6, linestyle=DASHED, label="prior error")
        # NaN where a frame was refused: the band must not bridge a gap
        radii = [radius95_px(frame, flight.gsd_m) if frame.fix.accepted else np.nan for frame in flight.frames]
        seconds, radius = _over_time(flight, flight.frames, radii)
        if fixes:
            axes.fill_between(seconds, LEAST_PX, radius, color=FIX, alpha=0.13, linewidth=0, step="mid",
                              label="95 % radius of the fix")
            axes.plot(seconds, radius, color=FIX, alpha=0.45, linewidth=1.0, drawstyle="steps-mid")
        seconds, errors = _over_time(flight, fixes, [frame.error_px for frame in fixes])
        if len(seconds):
            axes.plot(seconds, errors, "o", color=FIX, markersize=3.6, markeredgewidth=0, label="error of the fix",
                      rasterized=len(seconds) > MANY)
        seconds, foot = _over_time(flight, refused, [0.02] * len(refused))
        if len(seconds):
            axes.plot(seconds, foot, "|", color=REFUSED, markersize=10, markeredgewidth=1.4, clip_on=False, label="refused",
                      transform=axes.get_xaxis_transform(), rasterized=len(seconds) > MANY)
        axes.set_yscale("log")
        top = axes.get_ylim()[1]
        axes.set_ylim(LEAST_PX, top if top > 10 * LEAST_PX else 10.0)
        axes.set(xlabel="seconds since the first frame", ylabel="horizontal, px")
        axes.margins(x=0.01)
        axes.yaxis.set_major_formatter(_plain)
        to_metres = (lambda px: np.asarray(px) * flight.gsd_m), (lambda m: np.asarray(m) / flight.gsd_m)
        metres = axes.secondary_yaxis("right", functions=to_metres)
        metres.yaxis.set_major_formatter(_plain)
        metres.set_ylabel("horizontal, m")
        legend_above(axes)
        return _picture(drawn, flight)


def innovations(flight: Flight) -> str | None:
    """Draw by how much each fix lies east and north of its prior, with three standard deviations of the prior; None without."""
    both = [(frame, frame.fix.pose, frame.fix.candidate.prior) for frame in flight.frames]
    known = [(frame.bag_ns, pose.position - prior.pose.position, np.sqrt(np.diag(prior.covariance)[:2]))
             for frame, pose, prior in both if pose is not None and prior is not None]
    if not known:
        return None
    seconds = np.array([(ns - flight.frames[0].bag_ns) * 1e-9 for ns, _, _ in known])
    apart, sigma = np.array([moved[:2] for _, moved, _ in known]), np.array([stated for _, _, stated in known])
    # a prior that says it knows nothing would leave no room for the rest
    limit = 3 * max(float(np.abs(apart).max()), flight.gsd_m)
    with styled():
        drawn = figure(WIDE[0], WIDE[1] + 0.6)
        for axes, axis, name in zip(drawn.subplots(2, 1, sharex=True), (0, 1), ("east", "north"), strict=True):
            band = np.minimum(3 * sigma[:, axis], limit)
            axes.fill_between(seconds, -band, band, color=PRIOR, alpha=0.16, linewidth=0, label="3 sigma of the prior")
            axes.axhline(0.0, color=EDGE, linewidth=1.0)
            axes.plot(seconds, apart[:, axis], "o", color=FIX, markersize=3.2, markeredgewidth=0, label="fix minus prior",
                      rasterized=len(seconds) > MANY)
            axes.set(ylabel=f"{name}, m")
            axes.margins(x=0.01)
        axes.set(xlabel="seconds since the first frame")
        legend_above(drawn.axes[0])
        return _picture(drawn, flight)


def latency(flight: Flight) -> str | None:
    """Draw the time of each frame over the flight; None without frames."""
    if not flight.frames:
        return None
    seconds, milliseconds = _over_time(flight, flight.frames, [frame.latency_ms for frame in flight.frames])
    p50, p95 = (float(np.percentile(milliseconds, share)) for share in (50, 95))
    with styled():
        drawn = figure(WIDE[0], 2.5)
        axes = drawn.add_subplot()
        axes.plot(seconds, milliseconds, "o", color=FIX, markersize=3.2, markeredgewidth=0, alpha=0.7, label="frame",
                  rasterized=len(seconds) > MANY)
        axes.axhline(p50, color=INK, linewidth=1.2, label=f"median {p50:.0f} ms")
        axes.axhline(p95, color=INK, linewidth=1.2, linestyle=DASHED, label=f"95 % within {p95:.0f} ms")
        axes.set(xlabel="seconds since the first frame", ylabel="ms", ylim=(0, max(1.15 * p95, 1.05 * float(milliseconds.max()))))
        axes.margins(x=0.01)
        legend_above(axes)
        return _picture(drawn, flight)


def ground_errors(flight: Flight) -> str | None:
    """Histogram and cumulative share of the ground errors of accepted fixes; None where none was judged."""
    errors = np.sort([frame.ground_error_px for frame in flight.frames if frame.ground_error_px is not None])
    if not len(errors):
        return None
    with styled():
        drawn = figure(*HALF)
        axes = drawn.add_subplot()
        # room to the right of the 95 % mark for its text
        edge = max(1.0, float(errors[-1]) * 1.02, float(np.percentile(errors, 95)) * 1.4)
        each = 100 / len(errors)
        axes.hist(errors, bins=np.linspace(0, edge, 41).tolist(), weights=np.full(len(errors), each), color=FIX, alpha=0.3)
        cumulative(axes, errors, edge, color=FIX, linewidth=2)
        if edge > FALSE_FIX_PX:
            axes.axvline(FALSE_FIX_PX, color=REFUSED, linewidth=1.2, linestyle=DASHED)
            axes.annotate("false fix", (FALSE_FIX_PX, 4), xytext=(4, 0), textcoords="offset points", color=REFUSED, fontsize=9)
        for share in (50, 95):
            value = float(np.percentile(errors, share))
            axes.plot(value, share, "o", color=INK, markersize=5)
            axes.annotate(f"{share} %: {value:.2f} px", (value, share), xytext=(7, -12), textcoords="offset points", fontsize=9)
        axes.set(xlabel="ground error, px", ylabel="fixes, %", xlim=(0, edge), ylim=(0, 103))
        return uri(encoded(drawn, "svg"), "svg")


def calibration(flight: Flight) -> str | None:
    """Draw the share of errors inside the ellipse of each confidence, against that confidence; None where none was judged."""
    d2 = np.array([frame.d2 for frame in flight.frames if frame.d2 is not None])
    if not len(d2):
        return None
    with styled():
        drawn = figure(*HALF)
        axes = drawn.add_subplot()
        axes.plot([0, 100], [0, 100], color=EDGE, linewidth=1.2, linestyle=DASHED)
        # with two degrees of freedom the confidence of an ellipse d2 is 1 - exp(-d2 / 2)
        cumulative(axes, (1 - np.exp(-d2 / 2)) * 100, 100, color=FIX, linewidth=2)
        for confidence, limit, accepted in ((50, D2_50, (40, 60)), (95, D2_95, (90, 98))):
            axes.plot([confidence, confidence], accepted, color=INK, linewidth=6, alpha=0.16, solid_capstyle="butt")
            covered = float((d2 <= limit).mean()) * 100
            axes.plot(confidence, covered, "o", color=INK, markersize=5)
            axes.annotate(f"{confidence} % ellipse: {covered:.0f} %", (confidence, covered), xytext=(-8, 8),
                          textcoords="offset points", fontsize=9, ha="right")
        axes.annotate("too cautious", (4, 92), color=MUTED, fontsize=9)
        axes.annotate("overconfident", (96, 4), color=MUTED, fontsize=9, ha="right")
        axes.set(xlabel="confidence of the ellipse, %", ylabel="errors inside, %", xlim=(0, 100), ylim=(0, 103))
        return uri(encoded(drawn, "svg"), "svg")


def stanford(flight: Flight) -> str | None:
    """Draw the error of each fix against its protection level, as a Stanford diagram; None where no fix has both."""
    both = np.array([(frame.error_px, frame.fix.protection.position / flight.gsd_m) for frame in flight.frames
                     if frame.error_px is not None and frame.fix.protection is not None
                     and np.isfinite(frame.fix.protection.position)])
    if not len(both):
        return None
    errors, levels = both.T
    safe = errors <= levels
    edge = 1.08 * float(both.max())
    with styled():
        drawn = figure(*HALF)
        axes = drawn.add_subplot()
        axes.fill_between([0, edge], [0, edge], 0, color=REFUSED, alpha=0.07, linewidth=0)
        axes.plot([0, edge], [0, edge], color=EDGE, linewidth=1.2, linestyle=DASHED)
        for those, marker, colour in ((safe, "o", FIX), (~safe, "X", REFUSED)):
            axes.plot(errors[those], levels[those], marker, color=colour, markersize=4, markeredgewidth=0, alpha=0.6,
                      rasterized=len(errors) > MANY)
        axes.annotate("the level holds", (0.04, 0.93), xycoords="axes fraction", color=MUTED, fontsize=9)
        axes.annotate("off by more than it says", (0.96, 0.05), xycoords="axes fraction", color=MUTED, fontsize=9, ha="right")
        axes.set(xlabel="horizontal error, px", ylabel="protection level, px", xlim=(0, edge), ylim=(0, edge))
        return uri(encoded(drawn, "svg"), "svg")


def radius95_px(frame: ReplayedFrame, gsd_m: float) -> float:
    """Return half the long axis of the horizontal 95 % ellipse of an accepted fix, in map pixels."""
    if frame.fix.covariance is None:
        raise ValueError("a refused frame has no covariance")
    return float(np.sqrt(D2_95 * np.linalg.eigvalsh(frame.fix.covariance[:2, :2])[-1])) / gsd_m


def _picture(drawn: Figure, flight: Flight) -> str:
    """As lines, which stay sharp, or for many frames as pixels, whose size does not grow with them."""
    kind = "svg" if len(flight.frames) <= MANY else "png"
    return uri(encoded(drawn, kind), kind)


def _positions(positions: Iterable[Float64]) -> Float64:
    return np.array(list(positions), dtype=np.float64).reshape(-1, 3)


def _km(positions: Float64) -> tuple[Float64, Float64]:
    return positions[:, 0] / 1e3, positions[:, 1] / 1e3


def _place(frame: ReplayedFrame) -> Float64 | None:
    """Where to draw a frame that has no fix: at its truth, or else at its prior."""
    if frame.truth is not None:
        return frame.truth.position
    prior = frame.fix.candidate.prior
    return None if prior is None else prior.pose.position


def _over_time(flight: Flight, frames: Sequence[ReplayedFrame], values: Sequence[float | None]) -> tuple[Float64, Float64]:
    """Seconds since the first frame and the values that are known, lifted to the foot of the axis."""
    start = flight.frames[0].bag_ns
    known = [(frame.bag_ns - start, value) for frame, value in zip(frames, values, strict=True) if value is not None]
    pairs = np.array(known, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0] * 1e-9, np.maximum(pairs[:, 1], LEAST_PX)


def _plain(value: float, _: float) -> str:
    return f"{value:g}"

"""What a frame has to compute at least: counted as it is computed."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.fft

from promptmid_core.descriptors import load
from promptmid_core.doctor.limits import Looked, table, work
from promptmid_core.doctor.rates import Rates, Work, transforms
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Grid, Measure
from promptmid_core.matching import correlation, dependence
from promptmid_core.matching.blocks import block_surfaces
from promptmid_core.matching.search import Extent, search, swing
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.verification import verify
from promptmid_core.matching.window import SearchWindow
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.runtime.operations import operations
from promptmid_core.runtime.profile import COMPACT

PATCH, MARGIN, GSD = 64, 24, 10.0


def described(cells: int, at: int, colours: int) -> DescriptorMap:
    groups = (ChannelGroup("edges", 5), ChannelGroup("colours", colours, Measure.DEPENDENCE))
    array = np.random.default_rng(1).standard_normal((5 + colours, cells, cells)).astype(np.float32)
    return DescriptorMap(array, np.ones((cells, cells), bool), Grid(at * GSD, -at * GSD, GSD, cells, cells), 2, groups)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The operations of each call of a transform, as they are made."""
    found: list[float] = []

    def counting(transform):
        def run(array, size, *rest):
            assert isinstance(size, int)
            found.append(transforms(math.prod(array.shape[:-2]), scipy.fft.next_fast_len(size, real=True)))
            return transform(array, size, *rest)
        return run

    for module in (correlation, dependence):
        for name in ("spectrum", "surface"):
            monkeypatch.setattr(module, name, counting(getattr(correlation if module is correlation else dependence, name)))
    return found


def test_the_transforms_of_a_limit_are_those_that_are_made(counted: list[float]) -> None:
    patch, window = described(PATCH, MARGIN, 4), described(PATCH + 2 * MARGIN, 0, 3)
    extent = Extent(8 * GSD, 0.0, 0.0)
    looked = Looked(PATCH, PATCH + 2 * MARGIN, 4 + swing(extent, (PATCH // 2, PATCH // 2)))
    groups = {Modality.OPTICAL: patch.groups, Modality.SAR: window.groups}
    descriptor = SimpleNamespace(stride=2, groups=groups.__getitem__)
    limits = work(looked, descriptor, (640, 480, 1000), Work())
    middle = Similarity(tuple(float(each) for each in patch.grid.to_map((PATCH - 1) / 2, (PATCH - 1) / 2)))
    for stage, look in (("search", lambda: search(patch, SearchWindow(window), extent)),
                        ("solve", lambda: block_surfaces(patch, window, middle)),
                        ("verify", lambda: verify(patch, window, middle))):
        counted.clear()
        look()
        assert limits[stage].transformed == pytest.approx(sum(counted)), stage


def test_a_network_is_counted_as_it_runs() -> None:
    """Convolutions grow with the pixels; what is made of the prompt does not."""
    profile = load("promptmid", threads=1).profile
    prompt = profile.embedding(Prompt(Modality.OPTICAL))
    (small, few), (large, many) = (operations(COMPACT / "compact.onnx", side, prompt) for side in (64, 128))
    assert large / small == pytest.approx(4, rel=0.02) and 3.5 < many / few < 4
    # two stems of three channels to 32 at half the side are the least that there is
    assert small > 2 * 2 * 3 * 9 * 32 * 32 * 32


def test_work_adds_up_and_takes_its_time() -> None:
    rates = Rates(transforms=1e9, products=1e11, elements=1e9, copies=1e10)
    assert rates.ms(2 * (Work(transformed=1e6) + Work(multiplied=1e8, computed=1e6, moved=1e7))) == pytest.approx(8.0)
    measured = Rates.measured()
    assert 1e8 < measured.transforms < measured.products < 1e14 and 1e7 < measured.elements < 1e12


def test_a_stage_that_is_far_from_its_limit_has_a_reason() -> None:
    shown = table({"solve": {"ms": 9.0, "limit_ms": 1.0}, "describe": {"ms": 3.0, "limit_ms": 1.0},
                   "messages": {"ms": 0.2, "limit_ms": 0.0}}).splitlines()
    assert [line.split()[:4] for line in shown[1:3]] == [["solve", "9.0", "1.00", "9.0"], ["describe", "3.0", "1.00", "3.0"]]
    assert "the solver" in shown[1] and shown[2].endswith("3.0") and "calls" in shown[3]

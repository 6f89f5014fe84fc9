"""Distances between sets of features, on cases whose answers are known."""

import numpy as np
import pytest
import torch

from mjcourse.config import UserError
from mjcourse.metrics.distribution import density_coverage, frechet_distance, kernel_distance
from mjcourse.metrics.memorisation import nearest


@pytest.fixture(scope="module")
def sets():
    g = torch.Generator().manual_seed(0)
    real, same = torch.randn(600, 16, generator=g), torch.randn(600, 16, generator=g)
    return {
        "real": real,
        "same": same,
        "shifted": same + 1.0,
        "wide": same * 2,
        "collapsed": same[:1] + 0.01 * torch.randn(600, 16, generator=g),
        "duplicated": same[:6].repeat(100, 1),
    }


def test_frechet_distance_of_gaussians_has_its_closed_form():
    g = torch.Generator().manual_seed(1)
    a = torch.randn(60_000, 4, generator=g, dtype=torch.float64)
    shift, scale = torch.tensor([1.0, 0.0, -2.0, 0.5], dtype=torch.float64), torch.tensor([1.0, 2.0, 0.5, 1.0])
    b = torch.randn(60_000, 4, generator=g, dtype=torch.float64) * scale + shift
    wanted = float((shift**2).sum() + ((scale - 1) ** 2).sum())
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=0.03)


def test_frechet_distance_matches_numpy(sets):
    a, b = sets["real"].double().numpy(), sets["wide"].double().numpy()
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    wanted = (
        ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1 + s2) - 2 * np.sqrt(np.linalg.eigvals(s1 @ s2).real).sum()
    )
    assert frechet_distance(sets["real"], sets["wide"]) == pytest.approx(wanted, rel=1e-4)


def test_frechet_distance_orders_the_known_cases(sets):
    d = {name: frechet_distance(sets["real"], fake) for name, fake in sets.items()}
    assert d["real"] == pytest.approx(0, abs=1e-4)
    assert d["same"] < 1 < d["collapsed"] and d["same"] * 5 < d["shifted"]
    assert d["shifted"] == pytest.approx(16 + d["same"], rel=0.1)


def test_kernel_distance_is_zero_for_the_same_and_grows(sets):
    same, spread = kernel_distance(sets["real"], sets["same"])
    assert abs(same) < 2 * spread
    assert kernel_distance(sets["real"], sets["shifted"])[0] > 10 * spread
    assert kernel_distance(sets["real"], sets["same"]) == (same, spread)


def test_coverage_sees_collapse_where_density_does_not(sets):
    density, coverage = density_coverage(sets["real"], sets["same"])
    assert 0.8 < density < 1.2 and coverage > 0.9
    assert density_coverage(sets["real"], sets["real"])[1] == 1.0
    assert density_coverage(sets["real"], sets["collapsed"])[1] < 0.1
    assert density_coverage(sets["real"], sets["duplicated"])[1] < 0.3
    far = sets["same"] + 20
    assert density_coverage(sets["real"], far) == (0.0, 0.0)


def test_coverage_by_hand():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[0.1], [0.2], [50.0]])
    # balls to the nearest neighbour: radii 1, 1, 1, 8; the fakes at 0.1 and 0.2 lie in those of 0 and 1
    assert density_coverage(real, fake, k=1) == (pytest.approx(4 / 3), 0.5)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, density_coverage])
def test_too_few_or_misshapen_features_are_refused(measure):
    with pytest.raises(UserError, match="at least"):
        measure(torch.zeros(1, 4), torch.zeros(1, 4))
    with pytest.raises(UserError, match=r"\(N, d\)"):
        measure(torch.zeros(30, 4), torch.zeros(30, 5))


def test_nearest_finds_copies_and_measures_distance():
    rng = np.random.default_rng(0)
    library = rng.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    index, distance = nearest(library[[7, 41]], library)
    assert index.tolist() == [7, 41] and distance == pytest.approx(0, abs=1e-3)
    black, white = np.zeros((1, 32, 32, 3), np.uint8), np.full((1, 32, 32, 3), 255, np.uint8)
    assert nearest(black, white)[1] == pytest.approx(1, abs=1e-5)

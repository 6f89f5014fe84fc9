"""Measures: counted by hand, perfect where all is right, at the floor where prompts are shuffled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from mjcourse.data.scenes import ATTRIBUTES, sample_scene
from mjcourse.data.store import scene_to_codes, to_tensor
from mjcourse.learn.evidence import Claim, EvidenceError, evidence
from mjcourse.metrics.alignment import SHORT, prompt_accuracy, short_prompts
from mjcourse.metrics.probe import Probe, ProbeConfig, balanced_accuracy, read_pictures
from mjcourse.training.probe import worn

NAMES = list(ATTRIBUTES)


# ---- accuracy ------------------------------------------------------------------------------------

CASES = [
    ([0, 0, 0, 1], [0, 0, 0, 0], 0.5),  # always the common class: plain accuracy would say 0.75
    ([0, 0, 0, 1], [0, 0, 1, 1], (2 / 3 + 1) / 2),
    ([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], [0] * 8 + [1, 0], (1 + 0.5) / 2),
    ([2, 2, 5], [2, 5, 5], 0.75),  # classes need not be 0, 1, 2 …
    ([0, 1, 2], [1, 2, 0], 0.0),
    ([3, 3], [3, 3], 1.0),
    ([1, 1], [0, 4], 0.0),  # what is read but never true counts only as wrong
]


@pytest.mark.parametrize("truth, read, wanted", CASES)
def test_balanced_accuracy(truth, read, wanted):
    assert balanced_accuracy(np.array(truth), np.array(read)) == pytest.approx(wanted)


def test_balanced_accuracy_of_nothing_is_nan():
    assert math.isnan(balanced_accuracy(np.array([], int), np.array([], int)))


@pytest.fixture(scope="module")
def truth():
    return np.array([scene_to_codes(sample_scene("test", i))[:-1] for i in range(400)])


def test_perfect_pictures(truth):
    found = prompt_accuracy(truth, truth.copy(), np.ones(truth.shape, bool))
    assert found["mean"] == found["all_named"] == 1 and found["interval"] == [1, 1]
    assert found["by_attribute"] == dict.fromkeys(NAMES, 1.0) and found["twice"] == 0  # no scene has it


def test_an_object_beside_another_of_its_kind_is_drawn_twice(truth):
    read, thing, beside = truth.copy(), NAMES.index("object"), NAMES.index("companion")
    read[:100, thing], read[:100, beside] = 3, 3
    read[100:200, thing], read[100:200, beside] = 0, 0  # neither is there
    assert prompt_accuracy(truth, read, np.ones(truth.shape, bool))["twice"] == 0.25


def test_short_prompts_name_an_object_its_colour_and_the_time():
    prompts = short_prompts("val", 40)
    names = np.array(list(ATTRIBUTES))
    assert len(prompts.english) == len(prompts.chinese) == len(prompts.truth) == 40
    assert all(set(names[row]) == SHORT for row in prompts.named)
    for i, en, zh in zip(prompts.picks, prompts.english, prompts.chinese, strict=True):
        scene = prompts.data.scene(i)
        assert scene.object != "none" and en.named == zh.named == {name: getattr(scene, name) for name in en.named}
    assert max(len(c.text) for c in prompts.english) < 60


def test_shuffled_prompts_are_the_floor(truth):
    read = truth[np.random.default_rng(0).permutation(len(truth))]
    found = prompt_accuracy(truth, read, np.ones(truth.shape, bool))
    chance = np.mean([1 / len(values) for values in ATTRIBUTES.values()])
    assert found["mean"] == pytest.approx(chance, abs=0.04)
    assert found["all_named"] < 0.01
    assert found["interval"][0] - 0.02 < found["mean"] < found["interval"][1] + 0.02


def test_only_what_is_named_counts():
    truth, read = np.zeros((4, len(NAMES)), int), np.ones((4, len(NAMES)), int)
    named = np.zeros(truth.shape, bool)
    named[:, :2] = True
    truth[:, 0] = read[:, 0] = [0, 0, 0, 1]  # named and right
    truth[:, 1], read[:, 1] = [0, 0, 0, 1], [0, 0, 0, 0]  # named; one of two classes is missed
    found = prompt_accuracy(truth, read, named)
    assert found["by_attribute"][NAMES[0]] == 1 and found["by_attribute"][NAMES[1]] == 0.5
    assert all(found["by_attribute"][name] is None for name in NAMES[2:])  # never named
    assert found["mean"] == 0.75  # over the two that are
    assert found["all_named"] == 0.75
    named[3, 1] = False
    found = prompt_accuracy(truth, read, named)
    assert found["by_attribute"][NAMES[1]] == 1 and found["all_named"] == 1


def test_one_wrong_attribute_is_one_wrong_prompt(truth):
    read = truth.copy()
    read[:100, NAMES.index("style")] = (read[:100, NAMES.index("style")] + 1) % 6
    found = prompt_accuracy(truth, read, np.ones(truth.shape, bool))
    assert found["all_named"] == 0.75
    assert found["by_attribute"]["style"] == pytest.approx(0.75, abs=0.05)
    assert found["mean"] == pytest.approx(1 - (1 - found["by_attribute"]["style"]) / len(NAMES), abs=1e-3)
    low, high = found["interval"]
    assert low < found["mean"] < high and high - low < 0.01
    assert found == prompt_accuracy(truth, read, np.ones(truth.shape, bool))  # the bootstrap is seeded


# ---- the probe -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["residual", "plain"])
def test_probes_read_every_attribute(kind):
    torch.manual_seed(0)
    net = Probe(ProbeConfig(kind=kind, width=8))
    x = torch.rand(3, 3, 64, 64) * 2 - 1
    logits = net(x)
    assert [z.shape for z in logits] == [(3, len(values)) for values in ATTRIBUTES.values()]
    assert net.features(x).shape == (3, 256)
    sum(z.square().mean() for z in logits).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_two_probes_are_built_differently():
    first, second = ProbeConfig.named("probe"), ProbeConfig.named("probe-second")
    assert first.kind != second.kind
    shapes = [{tuple(p.shape) for p in Probe(c).body.parameters()} for c in (first, second)]
    assert len(shapes[0] & shapes[1]) < 0.5 * len(shapes[0] | shapes[1])


def test_reading_goes_by_batches_and_keeps_the_order():
    class Brightness(nn.Module):
        """Reads the first attribute off the brightness, the second off the red channel."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            sizes.append(len(x))
            levels = torch.linspace(-1, 1, 6)
            return [-(x.mean((1, 2, 3))[:, None] - levels).abs(), -(x[:, 0].mean((1, 2))[:, None] - levels).abs()]

    sizes = []
    grey = np.array([0, 51, 102, 153, 204, 255], np.uint8)[np.arange(20) % 6]
    images = np.broadcast_to(grey[:, None, None, None], (20, 64, 64, 3)).copy()
    read = read_pictures(Brightness(), images, batch=8)
    assert sizes == [8, 8, 4] and read.dtype == np.int64
    assert read.tolist() == [[i % 6, i % 6] for i in range(20)]


def test_worn_pictures_stay_pictures():
    rng = np.random.default_rng(0)
    x = to_tensor(rng.integers(0, 256, (200, 16, 16, 3), dtype=np.uint8))
    x[:20] = 1.0
    x[20:40] = -1.0
    before = x.clone()

    def wear(seed):
        return worn(x, torch.Generator().manual_seed(seed))

    y = wear(1)
    assert torch.equal(x, before)  # the originals are left alone
    assert y.shape == x.shape and y.dtype == x.dtype
    assert float(y.min()) >= -1 and float(y.max()) <= 1
    untouched = torch.tensor([torch.allclose(a, b, atol=1e-6) for a, b in zip(x, y, strict=True)])
    assert 0.38 < untouched.float().mean() < 0.62
    assert (y - x)[~untouched].abs().amax((1, 2, 3)).min() > 0.01
    assert (y - x).abs().mean() < 0.3
    assert torch.equal(wear(1), y) and not torch.equal(wear(2), y)


# ---- evidence ------------------------------------------------------------------------------------


def test_evidence_that_holds_is_printed(capsys):
    evidence(
        Claim("loss on true captions is lower", 0.51234567, "<", 0.6),
        Claim("train and test share no scene", 0, "==", 0),
        Claim("accuracy", torch.tensor(0.75), ">=", 0.75),
        Claim("they differ", np.float64(2), "!=", 1),
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "✓ loss on true captions is lower: 0.5123 (wanted < 0.6)"
    assert lines[1] == "✓ train and test share no scene: 0 (wanted == 0)"
    assert len(lines) == 5 and lines[4] == "All 4 claims hold on this run."


@pytest.mark.parametrize(
    "claim",
    [
        Claim("too high", 0.7, "<", 0.6),
        Claim("equal is not less", 0.6, "<", 0.6),
        Claim("equal is not more", 0.6, ">", 0.6),
        Claim("too high even for at most", 0.61, "<=", 0.6),
        Claim("too low", 0.59, ">=", 0.6),
        Claim("not the same", 1, "==", 0),
        Claim("the same", 1, "!=", 1),
        Claim("nan is not less", math.nan, "<", 1),
        Claim("nan is not unequal", math.nan, "!=", 1),
        Claim("a bound of nan", 1, "<", math.nan),
    ],
    ids=lambda c: c.text,
)
def test_evidence_that_fails_raises_and_is_named(capsys, claim):
    with pytest.raises(EvidenceError, match=f"1 of 2 claims do not hold: {claim.text}") as caught:
        evidence(Claim("fine", 1, "==", 1), claim)
    assert isinstance(caught.value, AssertionError)
    out = capsys.readouterr().out
    assert "✓ fine" in out and f"✗ {claim.text}" in out and "claims hold" not in out


def test_each_failed_claim_is_named():
    with pytest.raises(EvidenceError, match="2 of 3 claims do not hold: first; third"):
        evidence(Claim("first", 1, ">", 2), Claim("second", 1, "<", 2), Claim("third", 1, ">", 2))

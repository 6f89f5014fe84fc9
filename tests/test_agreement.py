"""Pictures of one machine and of another: bfloat16 against float32, CPU against GPU, within a stated tolerance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mjcourse import config
from mjcourse.studio.engine import ENGINES
from mjcourse.training import loop

PROMPTS = ["太阳沙滩大海", "a lighthouse on a cliff at night", "three red balloons over a city, poster", "雪山下的小屋"]
LEVELS = 2.5  # of 255: by how much a pixel may differ on average
OTHER_WORDS = 0.1  # share of the prior's next tokens, given the same before, that may differ

shipped = pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=pytest.mark.skipif(not (config.WEIGHTS / f"{name}.safetensors").exists(),
                                                    reason=f"data/weights holds no {name} weights"))
        for name in ENGINES
    ],
)  # fmt: skip
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: CPU against GPU was not compared")


@torch.no_grad()
def disagreement(model: str, one, other) -> float:
    """Return how far two engines are apart, 1 being the most that is allowed.

    The flow's pictures of the same prompts and seeds are compared pixel by pixel. Of the prior it is asked which token
    comes next, given the same tokens before: in drawn pictures one token that differs changes all after it.
    """
    if model == "flow":
        a, b = (e(PROMPTS, [1, 2, 3, 4]).astype(int) for e in (one, other))
        return float(np.abs(a - b).mean()) / LEVELS
    tokens, best = torch.randint(one.prior.cfg.codes, (4, 256), generator=config.generator(0)), []
    for e in (one, other):
        with loop.autocast(e.device, True):
            best.append(e.prior(tokens.to(e.device), e.reader.encode(PROMPTS).float()).argmax(-1).cpu())
    return float((best[0] != best[1]).float().mean()) / OTHER_WORDS


class InFloat32:
    """An engine as a machine without fast bfloat16 runs it: from its first use on there is none."""

    def __init__(self, engine, patch) -> None:
        self.engine, self.patch = engine, patch

    def __getattr__(self, name):
        self.patch.setattr(loop, "fast_bf16", lambda device: False)
        return getattr(self.engine, name)

    def __call__(self, *args):
        return self.__getattr__("__call__")(*args)


@shipped
def test_bfloat16_and_float32_agree(model, monkeypatch):
    engine = ENGINES[model](device=torch.device("cpu"))
    if not loop.fast_bf16(engine.device):
        pytest.skip("no fast bfloat16 here: pictures are computed in float32 alone")
    apart = disagreement(model, engine, InFloat32(engine, monkeypatch))
    assert 0 < apart < 1


@gpu
@shipped
def test_cpu_and_gpu_agree(model):
    assert disagreement(model, *(ENGINES[model](device=torch.device(kind)) for kind in ("cpu", "cuda"))) < 1

"""What do the flags of the command language do? Drawn by command, judged by the probe, over many prompts; writes JSON.

    python benchmarks/effects.py [--count 48] [chaos] [no] …

Each effect is a function that returns a value, which has to keep the bound that `EFFECTS` names, its 95 % interval
(bootstrap over prompts; a prompt gives a grid of four), and what else is worth knowing. Chapter 13 shows the table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mjcourse.config import hardware
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.words import EN_BODY, ZH_BODY
from mjcourse.files import sha256
from mjcourse.learn import Claim
from mjcourse.metrics.alignment import Prompts, paired_prompts, prompt_accuracy
from mjcourse.metrics.distribution import probe_features
from mjcourse.metrics.probe import Probe, load_probe, read_pictures
from mjcourse.studio.command import DEFAULTS, GRID, Command, parse
from mjcourse.studio.draw import WEIRDEST, draw, silent
from mjcourse.studio.engine import FlowEngine
from mjcourse.studio.styled import with_taste

FILE = Path(__file__).resolve().with_suffix(".json")
COUNT, SPLIT = 48, "val"
STEPS = DEFAULTS["flow"]["steps"]
POOL = 500  # validation scenes to choose prompts from
CHAOS, IW, WEIRD = (0, 25, 50, 75, 100), (0, 1, 2, 3), (1500, 3000)
SUN = {"en": EN_BODY["sun"][0], "zh": ZH_BODY["sun"][0]}


def mean(hits, cases=None) -> tuple[float, list[float]]:
    """Return Σ hits / Σ cases and its 95 % interval by bootstrap over prompts; `hits` and `cases` are (N,)."""
    hits = np.asarray(hits, float)
    cases = np.ones(len(hits)) if cases is None else np.asarray(cases, float)
    draws = np.random.default_rng(0).integers(0, len(hits), (2000, len(hits)))
    with np.errstate(invalid="ignore"):
        found = hits[draws].sum(1) / cases[draws].sum(1)
        low, high = np.nanpercentile(found, [2.5, 97.5]) if cases.sum() else (np.nan, np.nan)
        return round(float(hits.sum() / cases.sum()), 4), [round(float(low), 4), round(float(high), 4)]


@dataclass(frozen=True)
class Bench:
    """The engine, the judge and the prompts that all effects share.

    Args:
        count: of prompts, every other one Chinese.
        steps: of a drawing.
    """

    count: int = COUNT
    steps: int = STEPS

    @cached_property
    def engine(self) -> FlowEngine:
        return FlowEngine()

    @cached_property
    def probe(self) -> Probe:
        return load_probe()

    @cached_property
    def prompts(self) -> Prompts:
        return paired_prompts(SPLIT, POOL)

    def choose(self, fits: Callable[[set[str]], bool] = lambda named: True) -> list[int]:
        """Return the first scenes of the split whose captions name what is wanted, `count` of them."""
        there = [i for i, caption in enumerate(self.prompts.english) if fits(set(caption.named))]
        return there[: self.count]

    def texts(self, scenes: list[int]) -> list[str]:
        """Return a caption of each scene, every other one in Chinese."""
        both = self.prompts.english, self.prompts.chinese
        return [both[k % 2][i].text for k, i in enumerate(scenes)]

    def grids(self, texts: list[str]) -> np.ndarray:
        """Return the four pictures of each command, (N, 4, 64, 64, 3); prompt k has the same seeds in each call."""
        commands = [parse(text, seed=GRID * k, steps=self.steps) for k, text in enumerate(texts)]
        return np.stack([draw(command, engine=self.engine) for command in commands])

    def read(self, grids: np.ndarray) -> np.ndarray:
        """Return the attributes that the probe reads, (N, pictures, attributes), as indices."""
        found = read_pictures(self.probe, grids.reshape(-1, 64, 64, 3))
        return found.reshape(*grids.shape[:2], -1)

    def features(self, grids: np.ndarray) -> torch.Tensor:
        """Return the probe's features, (N, pictures, 256)."""
        with torch.no_grad():
            return probe_features(self.probe, grids.reshape(-1, 64, 64, 3)).view(*grids.shape[:2], -1)

    def accuracy(self, grids: np.ndarray, scenes: list[int]) -> float:
        """Return the prompt accuracy of grids, each of their pictures counted."""
        rows = np.repeat(scenes, grids.shape[1])
        read = read_pictures(self.probe, grids.reshape(-1, 64, 64, 3))
        return prompt_accuracy(self.prompts.truth[rows], read, self.prompts.named[rows])["mean"]

    def shows(self, grids: np.ndarray, attribute: str, value: str) -> np.ndarray:
        """Return which pictures show a value, (N, pictures) bool."""
        return self.read(grids)[..., list(ATTRIBUTES).index(attribute)] == ATTRIBUTES[attribute].index(value)


# ---- the effects ---------------------------------------------------------------------------------


def no(b: Bench) -> dict:
    """Of pictures with a sun that their prompt does not name, the share that ``--no sun`` leaves without one."""
    found = {}
    for kind, fits in (("unsaid", lambda named: "body" not in named), ("said", lambda named: "body" in named)):
        scenes = b.choose(fits)
        if kind == "said":  # a contradiction: the prompt asks for what --no forbids
            scenes = [i for i in scenes if b.prompts.data.scene(i).body == "sun"]
        texts = b.texts(scenes)
        before = b.shows(b.grids(texts), "body", "sun")
        denied = b.shows(b.grids([f"{text} --no {SUN['zh' if k % 2 else 'en']}" for k, text in enumerate(texts)]),
                         "body", "sun")  # fmt: skip
        value, interval = mean((before & ~denied).sum(1), before.sum(1))
        found[kind] = {"value": value, "interval": interval, "cases": int(before.sum()), "pictures": before.size,
                       "new_suns": int((~before & denied).sum())}  # fmt: skip
        if kind == "unsaid":  # a control: more guidance alone must not take the suns away
            strict = b.shows(b.grids([f"{text} --guidance {2 * DEFAULTS['flow']['guidance']}" for text in texts]),
                             "body", "sun")  # fmt: skip
            found[kind]["twice_the_guidance"] = mean((before & ~strict).sum(1), before.sum(1))[0]
    return found.pop("unsaid") | {"said": found["said"]}


def weights(b: Bench) -> dict:
    """Of attributes that a and b name differently, how many more show a's value at a::2 b than at a b."""
    scenes = b.choose(lambda named: len(named) >= 4)
    scenes = scenes[: len(scenes) // 2 * 2]
    others = scenes[2:] + scenes[:2]  # of the same language
    truth, named = b.prompts.truth, b.prompts.named
    differ = named[scenes] & named[others] & (truth[scenes] != truth[others])  # (N, attributes)
    rows, shown = [], {}
    for wa, wb in ((2, 1), (1, 1), (1, 2)):
        pairs = zip(b.texts(scenes), b.texts(others), strict=True)
        read = b.read(b.grids([f"{one}::{wa} {other}::{wb}" for one, other in pairs]))  # (N, 4, attributes)
        a, o = ((read == truth[those][:, None]) & differ[:, None] for those in (scenes, others))
        cases = GRID * differ.sum(1)
        shown[wa, wb] = a.sum((1, 2))
        rows.append({"a": wa, "b": wb, "shows_a": mean(a.sum((1, 2)), cases)[0],
                     "shows_b": mean(o.sum((1, 2)), cases)[0]})  # fmt: skip
    value, interval = mean(shown[2, 1] - shown[1, 1], cases)
    return {"value": value, "interval": interval, "cases": int(cases.sum()), "rows": rows}


def tile(b: Bench) -> dict:
    """The step in colour across a tile's seam, over the largest step between neighbouring lines inside."""
    texts, found = b.texts(b.choose()), {}
    for name, flag in (("without", ""), ("tile", " --tile")):
        pictures = b.grids([text + flag for text in texts]).astype(np.float32)  # (N, 4, H, W, 3)
        for way, axis in (("sideways", 3), ("up and down", 2)):
            step = np.abs(np.roll(pictures, -1, axis) - pictures).mean(-1).mean(5 - axis)  # (N, 4, lines)
            seam, inside = step[..., -1], step[..., :-1]
            found[name, way] = {"over_largest": mean((seam / inside.max(-1)).mean(1)),
                                "over_mean": mean((seam / inside.mean(-1)).mean(1)),
                                "larger_than_all": mean((seam > inside.max(-1)).mean(1))[0]}  # fmt: skip
    worst = max(found["tile", way]["over_largest"] for way in ("sideways", "up and down"))
    return {"value": worst[0], "interval": worst[1], "rows": [{"what": " ".join(k), **v} for k, v in found.items()]}


def borrowed(b: Bench, flag: Callable[[str, Path], str]) -> dict:
    """Of pictures in another style than the one wanted, the share that a flag brings into it; all six in turn."""
    scenes, styles = b.choose(lambda named: "style" not in named), ATTRIBUTES["style"]
    k = list(ATTRIBUTES).index("style")
    with tempfile.TemporaryDirectory() as folder:
        files, wanted = [], [n % len(styles) for n in range(len(scenes))]
        of_style = {s: [i for i in range(POOL) if b.prompts.truth[i, k] == s and i not in scenes] for s in set(wanted)}
        for n, s in enumerate(wanted):
            files.append(Path(folder) / f"{n}.png")
            Image.fromarray(b.prompts.data.images([of_style[s][n // len(styles)]])[0]).save(files[-1])
        texts = b.texts(scenes)
        before = b.read(b.grids(texts))[..., k]
        after = b.read(b.grids([f"{text} {flag(styles[s], file)}" for text, s, file in
                                zip(texts, wanted, files, strict=True)]))[..., k]  # fmt: skip
    aim = np.array(wanted)[:, None]
    value, interval = mean(((before != aim) & (after == aim)).sum(1), (before != aim).sum(1))
    each = {styles[s]: mean((after == aim)[aim[:, 0] == s].mean(1))[0] for s in sorted(set(wanted))}
    return {"value": value, "interval": interval, "cases": int((before != aim).sum()),
            "all": mean((after == aim).mean(1))[0], "by_style": each}  # fmt: skip


def sref(b: Bench) -> dict:
    """`borrowed`, by ``--sref`` of a real scene of the style."""
    return borrowed(b, lambda style, file: f"--sref {file}")


def style(b: Bench) -> dict:
    """`borrowed`, by ``--style``: what saying it does."""
    return borrowed(b, lambda style, file: f"--style {style}")


def stop(b: Bench) -> dict:
    """The share of commands whose ``--stop 50`` is the preview that was shown at 50 %."""
    same, shown = [], {}
    for text in b.texts(b.choose())[:8]:
        command = parse(text, seed=5, steps=20)
        end = draw(command, lambda done, total, preview=None: shown.update({done: preview}), b.engine)
        half = draw(command.replace(stop=50), engine=b.engine)
        same.append(np.array_equal(half, shown[10]) and not np.array_equal(half, end))
    return {"value": mean(same)[0], "commands": len(same)}


def seed(b: Bench) -> dict:
    """The share of commands that give the same bytes again after others were drawn in between."""
    commands = [parse(text, seed=GRID * k, steps=b.steps) for k, text in enumerate(b.texts(b.choose())[:8])]
    first = [draw(command, engine=b.engine) for command in commands]
    again = [draw(command, engine=b.engine) for command in commands[::-1]][::-1]
    other = [draw(command.replace(seed=command.seed + GRID), engine=b.engine) for command in commands]
    same, changed = ([np.array_equal(x, y) for x, y in zip(first, those, strict=True)] for those in (again, other))
    return {"value": mean(same)[0], "commands": len(same), "same_with_other_seeds": mean(changed)[0]}


def rising(rows: list[np.ndarray]) -> tuple[float, list[float]]:
    """Return the smallest mean rise from one level to the next, with its interval; each of `rows` is (N,)."""
    return min(mean(after - before) for before, after in pairwise(rows))


def chaos(b: Bench) -> dict:
    """How much further apart, in probe features, the pictures of a grid are at each level than at the one before."""
    scenes, rows, distances = b.choose(), [], []
    for level in CHAOS:
        grids = b.grids([f"{text} --chaos {level}" for text in b.texts(scenes)])
        x = b.features(grids)  # (N, 4, 256)
        distances.append((torch.cdist(x, x).sum((1, 2)) / (GRID * (GRID - 1))).numpy())
        rows.append({"chaos": level, "distance": mean(distances[-1]), "accuracy": b.accuracy(grids, scenes)})
    value, interval = rising(distances)
    return {"value": value, "interval": interval, "rows": rows}


def weird(b: Bench) -> dict:
    """How much further, in probe features, the four chosen are from what a prompt usually gives than all candidates."""
    texts, rows = b.texts(b.choose()), []
    plain = with_taste(b.engine, Command("a house"), silent)  # as commands without --stylize are drawn
    usual = b.features(np.stack([plain([text] * WEIRDEST, list(range(GRID * k, GRID * k + WEIRDEST)), steps=b.steps)
                                 for k, text in enumerate(texts)]))  # fmt: skip
    centre = usual.mean(1, keepdim=True)  # (N, 1, 256)
    of_all = (usual - centre).norm(dim=-1).mean(1).numpy()
    for level in WEIRD:
        away = (b.features(b.grids([f"{text} --weird {level}" for text in texts])) - centre).norm(dim=-1).mean(1)
        value, interval = mean(away.numpy() - of_all)
        rows.append({"weird": level, "further": value, "interval": interval})
    return {"value": value, "interval": interval, "of_all": mean(of_all)[0], "rows": rows}


def iw(b: Bench) -> dict:
    """How much nearer, in grey levels, a grid is to the picture of ``--init`` than at the level before."""
    scenes, rows, distances = b.choose(), [], []
    starts = b.prompts.data.images([POOL - 1 - k for k in range(len(scenes))])
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{k}.png" for k in range(len(scenes))]
        for start, file in zip(starts, files, strict=True):
            Image.fromarray(start).save(file)
        for level in IW:
            commands = [f"{text} --init {file} --iw {level}" for text, file in zip(b.texts(scenes), files, strict=True)]
            grids = b.grids(commands)
            away = (grids.astype(np.float32) - starts[:, None]) ** 2
            distances.append(-np.sqrt(away.mean((2, 3, 4))).mean(1))
            rows.append({"iw": level, "distance": mean(-distances[-1]), "accuracy": b.accuracy(grids, scenes)})
    value, interval = rising(distances)
    return {"value": value, "interval": interval, "rows": rows}


EFFECTS: dict[str, tuple[Callable[[Bench], dict], str, str, float]] = {  # what is measured, and what it has to keep
    "chaos": (chaos, "--chaos: smallest rise of the distance in a grid, of four rises", ">", 0),
    "no": (no, "--no sun: pictures that lose the sun, of those that have one unasked", ">=", 0.9),
    "weights": (weights, "a::2 b: more attributes as a names them than at a:: b", ">", 0),
    "tile": (tile, "--tile: step across the seam over the largest inside, worse direction", "<=", 1),
    "sref": (sref, "--sref: pictures brought into the reference's style, of those in another", ">=", 0.7),
    "style": (style, "--style: pictures brought into the style, of those in another", ">=", 0.7),
    "stop": (stop, "--stop 50: commands that give the preview at 50 %", "==", 1),
    "seed": (seed, "--seed: commands that give the same bytes again", "==", 1),
    "weird": (weird, "--weird 3000: distance from the usual, above that of all candidates", ">", 0),
    "iw": (iw, "--iw: smallest approach to the picture of --init, of three", ">", 0),
}


def measure(name: str, bench: Bench) -> dict:
    """Return what is found of one effect, with its bar and whether it holds, ready for JSON."""
    effect, told, compare, bound = EFFECTS[name]
    found = effect(bench)
    claim = Claim(told, found["value"], compare, bound)
    print(claim, found.get("interval", ""), flush=True)
    return {"measured": told, "bar": f"{compare} {bound}", "holds": bool(claim.holds), **found}


def main() -> None:
    """Measure the effects that are named, or all, and store each as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effects", nargs="*", metavar="effect", help=f"of {', '.join(EFFECTS)}; by default all")
    parser.add_argument("--count", type=int, default=COUNT, help="prompts an effect")
    parser.add_argument("--out", type=Path, default=FILE, help="the JSON file")
    args = parser.parse_args()
    if unknown := set(args.effects) - set(EFFECTS):
        parser.error(f"there is no effect {', '.join(sorted(unknown))}; there are {', '.join(EFFECTS)}")
    bench = Bench(args.count)
    found = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    for name in args.effects or EFFECTS:
        began = time.monotonic()
        found[name] = measure(name, bench) | {
            "date": time.strftime("%Y-%m-%d"), "hardware": hardware(), "prompts": args.count, "split": SPLIT,
            "steps": bench.steps, "weights": sha256(bench.engine.path)[:16],
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
        args.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""``mjcourse evaluate``: prompt accuracy, distances and memorisation of the models, and what the encoders can do."""

from __future__ import annotations

import json as json_
import time
from collections.abc import Sequence

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError, hardware
from mjcourse.data.scenes import ATTRIBUTES, DATA_VERSION
from mjcourse.data.store import COUNTS, SceneData
from mjcourse.files import sha256, write_atomically
from mjcourse.metrics.alignment import Prompts, paired_prompts, prompt_accuracy, short_prompts
from mjcourse.metrics.probe import load_probe, read_pictures
from mjcourse.metrics.report import distances
from mjcourse.weights import find_weights

PAINTERS = ("flow", "prior", "cgan", "cvae")  # the text-to-image models, asked the same prompts
STAGES = (*PAINTERS, "cvae-emoji", "clip", "mood")
SPLITS = {"seen": "test", "held_out": "composition"}
COUNT = 2000  # pairs of prompts a split; one value in 200 of them must be named to count


def score(prompts: Prompts, read: np.ndarray) -> dict:
    """Return prompt accuracy of what a probe has read, rare values left out (of 2,000 prompts: under 10)."""
    return prompt_accuracy(prompts.truth, read, prompts.named, least=max(1, len(read) // 200))


def draw_all(engine, prompts: list[str], first_seed: int = 0, batch: int | None = None, report=None) -> np.ndarray:
    """Draw a picture for each prompt, seeds counted up from `first_seed`: (N, 64, 64, 3) uint8."""
    done, batch = [], batch or (250 if config.device().type == "cuda" else 32)
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        done.append(engine(part, list(range(first_seed + start, first_seed + start + len(part)))))
        if report:
            report(start + len(part), len(prompts))
    return np.concatenate(done)


def judge(prompts: Prompts, pictures: np.ndarray, probe) -> dict:
    """Return prompt accuracy of pictures, one a prompt, as a probe sees it."""
    return score(prompts, read_pictures(probe, pictures))


def judge_short(engine, probe, count: int) -> dict:
    """Return what `count` pairs of short prompts give: accuracy and ``twice``, see `drawn_twice`, by language."""
    prompts, found = short_prompts("test", count), {"prompts": count}
    for language, texts in (("en", prompts.english), ("zh", prompts.chinese)):
        scored = judge(prompts, draw_all(engine, [c.text for c in texts]), probe)
        found |= {language: scored["mean"], f"twice_{language}": scored["twice"]}
    return found


def judged_with(stage: str) -> dict[str, str]:
    """Return the hashes of the weights that decide what `evaluate_painter` finds: model, its parents, probes."""
    from mjcourse.training.stages import STAGES as TRAINED

    names, todo = [], [stage, "probe", "probe-second"]
    while todo:
        names.append(todo.pop(0))
        todo += [need for need in TRAINED[names[-1]].needs if need not in names + todo]
    return {name: sha256(find_weights(name))[:16] for name in names}


def evaluate_painter(stage: str, count: int = COUNT, report=print) -> dict:
    """Measure a text-to-image model: 2 × `count` paired prompts, English and Chinese, same seeds.

    Returns:
        A JSON-able table: per split and language the accuracy, its ceiling (the probe on real pictures
        of the same scenes) and its floor (pictures judged against other prompts); what the second
        probe says of the same pictures; distances to real scenes; seconds a picture.
    """
    from mjcourse.studio.engine import ConditionalEngine, default_engine
    from mjcourse.studio.imagine import DEFAULTS

    engine = default_engine(stage) if stage in DEFAULTS else ConditionalEngine(stage)
    probe, second = load_probe("probe"), load_probe("probe-second")
    result: dict = {**DEFAULTS.get(stage, {})}
    seconds = 0.0
    for name, split in SPLITS.items():
        prompts = paired_prompts(split, count)
        real = prompts.data.images(range(count))
        table = {"ceiling": judge(prompts, real, probe), "second_ceiling": judge(prompts, real, second)}
        for language, texts in (("en", prompts.english), ("zh", prompts.chinese)):
            start = time.perf_counter()
            pictures = draw_all(engine, [c.text for c in texts])
            seconds += time.perf_counter() - start
            read = read_pictures(probe, pictures)
            table[language] = score(prompts, read)
            table[f"second_{language}"] = judge(prompts, pictures, second)
            table[f"floor_{language}"] = score(prompts, np.roll(read, count // 2, 0))
            if (name, language) == ("seen", "en"):
                result["distances"] = distances(real, pictures, probe)
            mean, floor = table[language]["mean"], table[f"floor_{language}"]["mean"]
            ceiling = table["ceiling"]["mean"]
            report(f"{stage} {name} {language}: accuracy {mean:.3f} (ceiling {ceiling:.3f}, floor {floor:.3f})")
        if split == "test":
            result["short"] = judge_short(engine, probe, count // 4)
            report(f"{stage} short prompts: " + ", ".join(f"{k} {v}" for k, v in result["short"].items()))
        table["mean"] = round((table["en"]["mean"] + table["zh"]["mean"]) / 2, 4)
        table["second_mean"] = round((table["second_en"]["mean"] + table["second_zh"]["mean"]) / 2, 4)
        result[name] = table
    result["seconds_per_picture"] = round(seconds / (4 * count), 4)
    return result


def stored() -> dict:
    """Return the evaluation stored beside the weights: stage → what was found.

    Raises:
        UserError: there is none.
    """
    path = config.WEIGHTS / "reports" / "evaluation.json"
    if not path.exists():
        raise UserError("no evaluation is stored; run `mjcourse evaluate` first.")
    return json_.loads(path.read_text("utf-8"))


def table(found: dict) -> str:
    """Return what was found of a text-to-image model as a Markdown table, an attribute a row."""
    lines = [
        "| | seen, en | seen, zh | held-out, en | held-out, zh | floor | ceiling |",
        "|---|---|---|---|---|---|---|",
    ]

    def row(label: str, get, floor: bool = True) -> str:
        cells = [get(found[s][lang]) for s in SPLITS for lang in ("en", "zh")]
        cells += [get(found["seen"]["floor_en"]) if floor else None, get(found["seen"]["ceiling"])]
        return f"| {label} | " + " | ".join("–" if c is None else f"{c:.3f}" for c in cells) + " |"

    lines.append(row("**mean over attributes**", lambda t: t["mean"]))
    lines.append(row("all named correct", lambda t: t["all_named"]))
    lines += [row(name.replace("_", " "), lambda t, n=name: t["by_attribute"][n]) for name in ATTRIBUTES]
    lines.append(row("*object drawn twice*", lambda t: t["twice"], floor=False))  # whatever the prompt is
    return "\n".join(lines)


def comparison(stages: dict) -> str:
    """Return the text-to-image models side by side as a Markdown table, from what `evaluate` stored of them."""
    head = ["", "seen, en", "seen, zh", "held-out, en", "held-out, zh", "all named", "floor", "drawn twice"]
    head += ["Fréchet", "coverage", "nearest"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for stage in (s for s in PAINTERS if s in stages):
        found, d = stages[stage], stages[stage]["distances"]
        cells = [f"{found[s][lang]['mean']:.3f}" for s in SPLITS for lang in ("en", "zh")]
        cells += [f"{found['seen'][k][v]:.3f}" for k, v in (("en", "all_named"), ("floor_en", "mean"), ("en", "twice"))]
        cells += [f"{d['frechet'] / d['frechet_real']:.1f}", f"{d['coverage'] / d['coverage_real']:.2f}"]
        cells.append(f"{d['nearest'] / d['nearest_real']:.2f}")
        lines.append(f"| `{stage}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def evaluate_stage(stage: str, count: int = COUNT, report=print) -> dict:
    """Measure a model of `STAGES`: what its chapter promises of it.

    Returns:
        A JSON-able table. For a text-to-image model what `evaluate_painter` says; for ``clip`` recall at 1 and the
        swap test; for ``mood`` the share read right of paraphrases never trained on; for ``cvae-emoji`` RMSE and
        identification by style, beside the average of the other three.
    """
    found: dict = {"prompts": count, "data": DATA_VERSION, "hardware": hardware(), "date": time.strftime("%Y-%m-%d")}
    found["weights"] = judged_with(stage) if stage in PAINTERS else {stage: sha256(find_weights(stage))[:16]}
    if stage in PAINTERS:
        return found | evaluate_painter(stage, count, report)
    test = SceneData("test", COUNTS["test"])
    if stage == "clip":
        from mjcourse.training.clip import ClipReader, emoji_recall, scene_recall, swap_accuracy

        reader = ClipReader()
        measured = scene_recall(reader.net, reader.tokenizer, test, max(1, 2 * count // 100), 0)
        measured |= emoji_recall(reader.net, reader.tokenizer, "test")
        for language in ("en", "zh"):
            swap = swap_accuracy(reader.net, reader.tokenizer, test, count // 4, (language,))
            measured |= {f"swap_{name}_{language}": share for name, share in swap.items()}
    elif stage == "mood":
        from mjcourse.training.mood import MoodReader, mood_accuracy

        reader = MoodReader()
        measured = mood_accuracy(reader.net, reader.tokenizer, test, 4 * count, 1)
    else:
        from mjcourse.training.emoji_cvae import fourth_style, load_emoji_cvae

        found["fourth_style"] = fourth_style(load_emoji_cvae(), "test")
        rows = found["fourth_style"].values()
        gains = [row["identified_code"] - row["identified_average"] for row in rows]
        measured = {"worst_rmse_ratio": max(row["rmse"] / row["rmse_average"] for row in rows)}
        measured["least_gain_in_identification"] = min(gains)
    measured = {key: round(float(value), 4) for key, value in measured.items()}
    report(f"{stage}: " + ", ".join(f"{key} {value:.3f}" for key, value in measured.items()))
    return found | measured


def evaluate_command(json: bool = False, n: int | None = None, stages: Sequence[str] = ()) -> None:
    """Evaluate the stages (by default all), print the tables, store; with another n nothing is stored.

    Raises:
        UserError: a stage that `evaluate` does not know.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise UserError(f"cannot evaluate {unknown[0]!r}; allowed are {', '.join(STAGES)}.")
    torch.manual_seed(0)
    report = (lambda line: None) if json else print
    path = config.WEIGHTS / "reports" / "evaluation.json"
    result = stored() if path.exists() else {}
    for stage in stages or STAGES:
        result[stage] = evaluate_stage(stage, n or COUNT, report=report)
        if n is None:
            write_atomically(path, (json_.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    if json:
        print(json_.dumps(result, indent=1, ensure_ascii=False))
        return
    for stage in (stage for stage in PAINTERS if stage in (stages or STAGES)):
        print(f"\n{stage}\n{table(result[stage])}")

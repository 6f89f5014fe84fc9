"""Recipe of stage ``mood``: the text CNN learns which mood a caption names. Chapter 05."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data import words
from mjcourse.data.captions import Caption, caption
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import COUNTS, SceneData
from mjcourse.models.mood import MoodConfig, mood_reader
from mjcourse.models.text import Tokenizer
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.training.text import TextReader
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 1500, 128
MOODS = ("unsaid", *ATTRIBUTES["mood"])
_WORDS = {
    "en": sorted({w for row in words.EN_MOOD.values() for w in row} | {"calm"}, key=len, reverse=True),
    "zh": sorted({w for row in words.ZH_MOOD.values() for w in row}, key=len, reverse=True),
}


def paraphrase(said: Caption) -> str | None:
    """Return how a caption words its mood: the mood's word and what stands next to it; None if it names none.

    In English ``peaceful morning`` or ``peaceful ,``; in Chinese a character on either side: ``气氛|宁静|，``.
    """
    if "mood" not in said.named:
        return None
    text = said.text.lower()
    if said.language == "zh":
        at, word = next((text.find(w), w) for w in _WORDS["zh"] if w in text)
        return f"{text[max(0, at - 1) : at]}|{word}|{text[at + len(word) : at + len(word) + 1]}"
    pieces = text.replace(",", " , ").replace(".", " . ").split()
    own = set(words.EN_MOOD[said.named["mood"]]) | ({"calm"} if said.named["mood"] == "calm" else set())
    around = [(pieces[i], [*pieces, "$"][i + 1]) for i in range(len(pieces)) if pieces[i] in own]
    around = [(w, after) for w, after in around if w != "calm" or after in ("mood", "scene", "atmosphere")]
    return " ".join(around[0])


def is_held_out(how: str | None) -> bool:
    """Tell whether a paraphrase is kept from training: one in five, by a hash of its words."""
    return how is not None and zlib.crc32(how.encode()) % 5 == 0


def mood_captions(
    data: SceneData, count: int, keys: tuple[int, ...], held_out: bool = False, languages=("en", "zh")
) -> list[Caption]:
    """Return captions of random scenes whose wording of the mood is, or is not, one of those held out.

    With ``held_out`` each names a mood; else about half do. Pure in `keys`; languages take turns.
    """
    rng, found = np.random.default_rng(keys), []
    while len(found) < count:
        said = caption(data.scene(int(rng.integers(len(data)))), languages[len(found) % len(languages)], rng)
        how = paraphrase(said)
        if is_held_out(how) == held_out and not (held_out and how is None):
            found.append(said)
    return found


def mood_labels(captions: list[Caption]) -> torch.Tensor:
    """Return the mood that each caption names as an index into `MOODS`, (B,) int64."""
    return torch.tensor([MOODS.index(c.named.get("mood", "unsaid")) for c in captions])


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the mood reader on the tokens of stage ``text``; the card states accuracy on unseen paraphrases."""
    device, tokenizer = config.device(), TextReader(torch.device("cpu")).tokenizer
    train, val, test = SceneData("train", 20_000), SceneData("val", COUNTS["val"]), SceneData("test", COUNTS["test"])
    total = steps or STEPS
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=2e-3, warmup=50, ema=0.99, seed=seed,
        check_every=max(1, total // 6), save_every=max(1, total // 3),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = mood_reader(MoodConfig(vocab_size=tokenizer.size)).to(device)

    def loss(net, step):
        captions = mood_captions(train, cfg.batch_size, (seed, step, 11))
        logits = net(tokenizer([c.text for c in captions]).to(device))
        return F.cross_entropy(logits.float(), mood_labels(captions).to(device)), {}

    def check(net, step):
        return mood_accuracy(net, tokenizer, val, 1000, seed)

    def finish(net):
        return {f"test_{k}": v for k, v in mood_accuracy(net, tokenizer, test, 4000, seed).items()}

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


@torch.no_grad()
def mood_accuracy(net: torch.nn.Module, tokenizer: Tokenizer, data: SceneData, count: int, seed: int) -> dict:
    """Return the share read right by language: of captions with paraphrases never trained on, and of others."""
    device, found = next(net.parameters()).device, {}
    for language in ("en", "zh"):
        for key, held_out in (("known", False), ("unseen", True)):
            captions = mood_captions(data, count // 2, (seed, count, 13 + held_out), held_out, (language,))
            logits = net(tokenizer([c.text for c in captions]).to(device))
            found[f"{key}_{language}"] = (logits.argmax(1).cpu() == mood_labels(captions)).float().mean()
    return found


class MoodReader:
    """The trained text CNN with its tokenizer: ``MoodReader().read(["忧郁的夜晚"])`` gives ``["gloomy"]``."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or config.device()
        self.tokenizer = TextReader(torch.device("cpu")).tokenizer
        cfg = MoodConfig(vocab_size=self.tokenizer.size)
        self.net = load_weights(mood_reader(cfg), find_weights("mood"), cfg).to(self.device).eval()

    @torch.no_grad()
    def read(self, texts: list[str]) -> list[str]:
        """Return the mood that each text names, or ``unsaid``."""
        return [MOODS[k] for k in self.net(self.tokenizer(texts).to(self.device)).argmax(1).tolist()]

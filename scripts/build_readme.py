"""Fill the README's measured parts: the picture grid, the times, the evaluation. Run after training or timing.

Each part stands between ``<!-- name -->`` and ``<!-- /name -->`` and comes from a file that code wrote.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from mjcourse import config
from mjcourse.data.store import to_uint8
from mjcourse.evaluate import stored, table
from mjcourse.studio.engine import FlowEngine
from mjcourse.training.gan import load_gan
from mjcourse.training.vae import load_vae
from mjcourse.viz import font

PROMPTS = (
    "a red sun over the sea, sandy beach, watercolor",
    "太阳沙滩大海",
    "two blue sailboats on rolling waves at sunset, papercut",
    "夜晚，雪地上有一座绿色的小屋，左边一轮黄色的月亮",
    "pixel art, a purple castle on a meadow, mountains, day",
    "霓虹，城市，雨，一只黄色的猫",
    "a joyful morning, a white windmill in a flower field, hills",
    "神秘的森林，三顶红色的帐篷，雾",
)
SEEDS = (1, 2, 3, 4)  # not chosen by their pictures


def grid(path: Path, zoom: int = 2) -> None:
    """Draw `SEEDS` pictures of each of `PROMPTS`, two prompts a row, captions below."""
    engine, side, bar = FlowEngine(config.WEIGHTS / "flow.safetensors"), 64 * zoom, 22
    width = (side * len(SEEDS)) * 2 + 12
    sheet = Image.new("RGB", (width, (side + bar) * (len(PROMPTS) // 2)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, prompt in enumerate(PROMPTS):
        x0, y0 = (k % 2) * (side * len(SEEDS) + 12), (k // 2) * (side + bar)
        strip = Image.fromarray(np.concatenate(list(engine([prompt] * len(SEEDS), list(SEEDS))), 1))
        sheet.paste(strip.resize((side * len(SEEDS), side), Image.Resampling.BICUBIC), (x0, y0))
        pen.text((x0 + 2, y0 + side + 3), prompt, fill=(60, 60, 70), font=font(13))
    sheet.save(path, optimize=True)


def samples(path: Path, count: int = 16, zoom: int = 2) -> None:
    """Draw `count` pictures of the VAE and of the GAN, seeds 1, 2, …, one model a row pair, its name above."""
    rows, side, bar = {}, 64 * zoom, 22
    for name, load in (("VAE", load_vae), ("GAN", load_gan)):
        net = load(device=torch.device("cpu"))
        noise = torch.stack([torch.randn(net.cfg.latent, generator=config.generator(k)) for k in range(1, count + 1)])
        with torch.no_grad():
            rows[name] = to_uint8(net.decode(noise) if name == "VAE" else net(noise))
    cols = count // 2
    sheet = Image.new("RGB", (cols * side, len(rows) * (2 * side + bar)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (name, pictures) in enumerate(rows.items()):
        y0 = k * (2 * side + bar)
        pen.text((2, y0 + 3), f"{name}, seeds 1 to {count}", fill=(60, 60, 70), font=font(13))
        block = np.concatenate([np.concatenate(list(pictures[i : i + cols]), 1) for i in (0, cols)], 0)
        sheet.paste(Image.fromarray(block).resize((cols * side, 2 * side), Image.Resampling.NEAREST), (0, y0 + bar))
    sheet.save(path, optimize=True)


def trained() -> dict[str, str]:
    """Return how long each stage trains, from benchmarks/train_all.json."""
    stages = json.loads((config.ROOT / "benchmarks" / "train_all.json").read_text())["stages"]
    return {stage: f"{row['minutes']:.0f} min" for stage, row in stages.items()}


def from_noise() -> str:
    """Return the table of the models that draw from noise alone, from their cards."""
    minutes = trained()
    names = {"vae-plain": "plain autoencoder, codes from a fitted Gaussian", "vae": "VAE", "gan": "GAN"}
    lines = [
        "| | Fréchet distance | as a multiple of real | coverage, as a share of that of real scenes "
        "| PSNR on test scenes | training, two cores |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for stage, name in names.items():
        card = json.loads((config.WEIGHTS / f"{stage}.json").read_text())
        m = card["metrics"]
        quality = f"{m['test_psnr']:.1f} dB" if "test_psnr" in m else "–"
        lines.append(
            f"| {name} | {m['frechet']:,.0f} | {m['frechet'] / m['frechet_real']:.1f} | "
            f"{m['coverage'] / m['coverage_real']:.2f} | {quality} | {minutes[stage]} |"
        )
    note = (
        f"Distances are on the course's own probe features (not 'FID'), of {m['n']:,.0f} pictures against as "
        f"many test scenes; real training scenes score {m['frechet_real']:,.0f}."
    )
    return f"{note}\n\n" + "\n".join(lines)


def stages() -> str:
    """Return what chapters 05 to 07 promise of their models, as `mjcourse evaluate` measured it."""
    found, lines = stored(), []
    clip, mood, emoji = (found[name] for name in ("clip", "mood", "cvae-emoji"))
    both = {}
    for key in (*(k for k in clip if k.endswith("_en")), "unseen_en"):
        row = mood if key == "unseen_en" else clip
        both[key[:-3]] = f"{row[key]:.3f} | {row[key[:-3] + '_zh']:.3f}"
    told = {
        "mood of a caption, paraphrases never trained on": both["unseen"],
        "`clip`: the right text among 100, for a picture": both["to_text"],
        "`clip`: the right picture among 100, for a text": both["to_image"],
        **{
            f"`clip`: its caption against the same with another {word}": both[f"swap_{name}"]
            for name, word in (("style", "style"), ("object", "object"), ("color", "colour"), ("count", "count"))
        },
        "`clip`: an emoji's name among 1,140": both["emoji"],
    }
    lines += ["| | en | zh |", "|---|---|---|", *(f"| {what} | {cells} |" for what, cells in told.items())]
    lines += ["", "| prompt accuracy (95 % interval) | seen, en | seen, zh | held-out, en | held-out, zh | floor |"]
    lines.append("|---|---|---|---|---|---|")
    for name in ("cvae", "cgan"):
        rows = [found[name][split][lang] for split in ("seen", "held_out") for lang in ("en", "zh")]
        cells = [f"{row['mean']:.3f} ({row['interval'][0]:.3f} to {row['interval'][1]:.3f})" for row in rows]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {found[name]['seen']['floor_en']['mean']:.3f} |")
    lines += ["", "| emoji in a style never seen of them | " + " | ".join(emoji["fourth_style"]) + " |"]
    lines.append("|---|" + "---|" * len(emoji["fourth_style"]))
    rows = {
        "RMSE": "rmse", "RMSE of the average of the other three": "rmse_average",
        "identified by pixels": "identified", "the average of the other three, by pixels": "identified_average",
        "identified by the model's own code": "identified_code",
    }  # fmt: skip
    for what, key in rows.items():
        lines.append(f"| {what} | {' | '.join(f'{row[key]:.3f}' for row in emoji['fourth_style'].values())} |")
    return "\n".join(lines)


def autoencoders() -> str:
    """Return the table of the two autoencoders, from their cards."""
    lines = [
        "| | a picture becomes | PSNR | what the probe finds | codebook perplexity, of 1,024 | training, two cores |",
        "|---|---|---|---|---|---|",
    ]
    minutes = trained()
    kinds = {"autoencoder-kl": "16 × 16 × 4 numbers", "autoencoder-vq": "256 tokens of 1,024"}
    for stage, latents in kinds.items():
        card = json.loads((config.WEIGHTS / f"{stage}.json").read_text())
        m = card["metrics"]
        share = f"{m['probe_share']:.3f} of the originals" if "probe_share" in m else "–"
        used = f"{m['val_perplexity']:.0f}" if "val_perplexity" in m else "–"
        lines.append(f"| `{stage}` | {latents} | {m['val_psnr']:.1f} dB | {share} | {used} | {minutes[stage]} |")
    return "\n".join(lines)


def chapters() -> str:
    """Return the seconds of each chapter, from benchmarks/chapter_times.json."""
    t = json.loads((config.ROOT / "benchmarks" / "chapter_times.json").read_text())
    profiles = [p for p in config.PROFILES if p in t]
    lines = ["| chapter | " + " | ".join(f"`{p}`" for p in profiles) + " |", "|---|" + "---|" * len(profiles)]
    for name in sorted({name for p in profiles for name in t[p]}):
        cells = [t[p].get(name) for p in profiles]
        shown = " | ".join("–" if c is None else f"{c['scaled']:.0f} s, {c['gigabytes']:.1f} GB" for c in cells)
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines) + (
        "\n\nA whole chapter from a fresh kernel, and its peak memory. Machines are noisy and differ, so these are "
        "seconds on the machine that the budgets are for: as measured, divided by how much longer than there a fixed "
        "piece of training took before and after the chapter (`benchmarks/chapter_times.json` has both)."
    )


def put(text: str, name: str, body: str) -> str:
    """Return the README with the part `name` replaced."""
    pattern = rf"<!-- {name} -->.*?<!-- /{name} -->"
    if not re.search(pattern, text, re.S):
        raise SystemExit(f"the README has no part {name!r}")
    return re.sub(pattern, lambda _: f"<!-- {name} -->\n{body.strip()}\n<!-- /{name} -->", text, flags=re.S)


def times() -> str:
    """Return how long the README's commands took on a fresh clone, from benchmarks/newcomer.json."""
    t = json.loads((config.ROOT / "benchmarks" / "newcomer.json").read_text())
    rows = [("first command, installing everything", t["install"]), ("`make imagine`, after that", t["imagine_zh"])]
    rows += [("`make test`", t["test"])] if "test" in t else []
    lines = "\n".join(f"| {name} | {s / 60:.1f} min |" if s > 90 else f"| {name} | {s:.0f} s |" for name, s in rows)
    return f"Measured on a fresh clone ({t['hardware']}; {t['date']}):\n\n| | |\n|---|---|\n{lines}"


def main() -> None:
    """Draw the grid and rewrite the README's parts."""
    grid(config.ROOT / "docs" / "grid.png")
    path = config.ROOT / "README.md"
    text = path.read_text("utf-8")
    picture = f"![{len(SEEDS)} pictures for each of {len(PROMPTS)} prompts](docs/grid.png)"
    note = f"*Seeds {SEEDS[0]} to {SEEDS[-1]} for each prompt, not picked; drawn by `scripts/build_readme.py`.*"
    text = put(text, "grid", f"{picture}\n\n{note}")
    text = put(text, "times", times())
    text = put(text, "chapters", chapters())
    samples(config.ROOT / "docs" / "samples.png")
    text = put(text, "noise", f"![VAE and GAN samples](docs/samples.png)\n\n{from_noise()}")
    text = put(text, "stages", stages())
    text = put(text, "autoencoders", autoencoders())
    report = stored()["flow"]
    speed = json.loads((config.ROOT / "benchmarks" / "picture_speed.json").read_text())["flow"]
    intro = (
        f"Prompt accuracy on {report['prompts']:,} paired prompts a split, English and Chinese, guidance "
        f"{report['guidance']:g}, as `mjcourse evaluate` measured it ({report['date']}, {report['hardware']}): "
        f"seen {report['seen']['mean']:.3f}, held-out compositions {report['held_out']['mean']:.3f}; a second probe "
        f"says {report['seen']['second_mean']:.3f} and {report['held_out']['second_mean']:.3f}. "
        f"Four pictures at a time take {speed['as_is']['seconds_median']:.2f} s on two cores, "
        f"{speed['avx2']['seconds_median']:.2f} s without AVX-512 (`benchmarks/picture_speed.py`)."
    )
    text = put(text, "evaluation", f"{intro}\n\n{table(report)}")
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

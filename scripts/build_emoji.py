"""Rebuild ``data/emoji`` and the example folders ``data/train`` and ``data/test`` (maintainers only).

    python scripts/build_emoji.py --packages DIR     packages unpacked, or as .tgz, in DIR
    python scripts/build_emoji.py --fetch            get them with `npm pack` first
    python scripts/build_emoji.py --join             only join the clusters of look-alikes
    python scripts/build_emoji.py --examples         only data/train and data/test, from data/emoji
    python scripts/build_emoji.py --sheets DIR       only contact sheets, to look at

Learners never run this: the pictures are committed and reading them needs Pillow alone.
Each SVG is rendered at 512 pixels, cropped to what is drawn, flattened on white, set in the
middle of a 64 x 64 square with an even margin, and stored as a PNG of at most 64 colours.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mjcourse.data.emoji import STYLES, Emoji, load_concepts, load_image  # noqa: E402

EMOJI = ROOT / "data" / "emoji"
SIZE, MARGIN, RENDER, COLOURS = 64, 2, 512, 64  # pixels, pixels, pixels, palette entries

PACKAGES = {  # our name -> (package, version, folder once unpacked)
    "openmoji": ("openmoji", "17.0.0", "openmoji-17.0.0"),
    "twemoji": ("@discordapp/twemoji", "16.0.1", "discordapp-twemoji-16.0.1"),
    "noto": ("@iconify-json/noto", "1.2.9", "iconify-json-noto-1.2.9"),
    "fluent": ("@iconify-json/fluent-emoji-flat", "1.2.6", "iconify-json-fluent-emoji-flat-1.2.6"),
    "names": ("cldr-annotations-full", "48.2.0", "cldr-annotations-full-48.2.0"),
    "names_derived": ("cldr-annotations-derived-full", "48.2.0", "cldr-annotations-derived-full-48.2.0"),
}

LOOK_ALIKE = 0.2  # relative distance of ink below which two concepts share a cluster
NAMESAKES = [  # names that differ by man, woman or person
    ["old man", "old woman", "older person"],
    ["prince", "princess", "person with crown"],
    ["pregnant woman", "pregnant man", "pregnant person"],
    ["Santa Claus", "Mrs. Claus"],
]
RANK = ["test_pair", "val_pair", "unseen_concept", "train"]

EXAMPLE_STYLE = "noto"  # Apache-2.0: the learner may do with the example folder what they like
EXAMPLE_TRAIN, EXAMPLE_TEST = 20, 5  # pictures per class
EXAMPLES = {  # class -> English names; the first fill train, the last fill test
    "animals": "ox, leopard, crocodile, snail, snake, goat, elephant, octopus, turtle, penguin, koala, "
    "dolphin, frog, wolf, panda, crab, lion, owl, giraffe, zebra, flamingo, hedgehog, duck, squid, fox",
    "faces": "beaming face with smiling eyes, face with tears of joy, smiling face with halo, winking face, "
    "face savoring food, smiling face with sunglasses, smirking face, unamused face, pensive face, "
    "angry face, crying face, weary face, grimacing face, astonished face, flushed face, sleeping face, "
    "nerd face, thinking face, cowboy hat face, zany face, smiling face with heart-eyes, enraged face, "
    "face with monocle, partying face, fearful face",
    "food": "hot dog, taco, eggplant, grapes, watermelon, lemon, banana, pineapple, strawberry, hamburger, "
    "pizza, french fries, sushi, doughnut, cookie, birthday cake, avocado, carrot, broccoli, pretzel, "
    "croissant, cherries, cupcake, cheese wedge, tomato",
    "plants": "seedling, deciduous tree, palm tree, cactus, tulip, cherry blossom, rose, sunflower, "
    "sheaf of rice, four leaf clover, maple leaf, fallen leaf, mushroom, bouquet, lotus, coral, "
    "leaf fluttering in wind, white flower, herb, wilted flower, evergreen tree, hibiscus, blossom, "
    "potted plant, hyacinth",
    "vehicles": "rocket, helicopter, locomotive, train, tram, bus, ambulance, fire engine, police car, taxi, "
    "automobile, articulated lorry, tractor, ship, speedboat, bicycle, motorcycle, racing car, "
    "kick scooter, canoe, sailboat, airplane, delivery truck, motor scooter, flying saucer",
    "weather": "cyclone, rainbow, water wave, crescent moon, sun with face, shooting star, "
    "sun behind small cloud, sun behind rain cloud, cloud with rain, cloud with snow, "
    "cloud with lightning, cloud, tornado, wind face, droplet, umbrella, full moon face, high voltage, "
    "glowing star, ringed planet, sun behind large cloud, snowflake, sun, comet, "
    "umbrella with rain drops",
}


# ---- packages ------------------------------------------------------------------------------------


def unpack(folder: Path, fetch: bool) -> None:
    """Make sure that every package lies unpacked in ``folder``; with ``fetch``, `npm pack` the missing."""
    for package, version, name in PACKAGES.values():
        if (folder / name).is_dir():
            continue
        archive = folder / f"{name}.tgz"
        if not archive.is_file() and fetch:
            subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True)
        if not archive.is_file():
            sys.exit(f"{archive.name} is not in {folder}: add it, or run with --fetch.")
        with tarfile.open(archive) as tar:
            tar.extractall(folder / f"{name}.part", filter="data")
        next((folder / f"{name}.part").iterdir()).rename(folder / name)
        (folder / f"{name}.part").rmdir()


def check_names(folder: Path, concepts: list[Emoji]) -> None:
    """Stop when an English or Chinese name is not the one that CLDR gives."""
    for language in ("en", "zh"):
        names: dict[str, str] = {}
        for key, top in (("names_derived", "annotationsDerived"), ("names", "annotations")):
            file = folder / PACKAGES[key][2] / top / language / "annotations.json"
            table = json.loads(file.read_text("utf-8"))[top]["annotations"]
            names |= {char: entry["tts"][0] for char, entry in table.items() if "tts" in entry}
        for concept in concepts:
            plain = concept.emoji.replace("\ufe0f", "")  # CLDR leaves variation selectors out
            if names.get(plain) != getattr(concept, language):
                sys.exit(f"{concept.hex}: CLDR says {names.get(plain)!r}, not {getattr(concept, language)!r}")


def svg_reader(folder: Path, style: str):
    """Return a function from a concept's hex to the SVG text of ``style``."""
    root = folder / PACKAGES[style][2]
    if style in ("openmoji", "twemoji"):
        files = {
            file.stem.lower().replace("-fe0f", ""): file
            for file in sorted((root / {"openmoji": "color/svg", "twemoji": "dist/svg"}[style]).glob("*.svg"))
        }
        return lambda code: files[code].read_text("utf-8")
    icons = json.loads((root / "icons.json").read_text("utf-8"))
    chars = json.loads((root / "chars.json").read_text("utf-8"))

    def read(code: str) -> str:
        name = chars[code]
        icon = icons["icons"][icons.get("aliases", {}).get(name, {}).get("parent", name)]
        width = icon.get("width", icons.get("width", 16))
        height = icon.get("height", icons.get("height", 16))
        box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{box}" width="{width}" height="{height}">{icon["body"]}</svg>'
        )

    return read


# ---- splits --------------------------------------------------------------------------------------


def look_alikes(concepts: list[Emoji], limit: float = LOOK_ALIKE) -> list[tuple[int, int, str, float]]:
    """Return (i, j, style, distance) of concepts whose pictures are nearly the same in some style.

    The distance is that of the two pictures' ink (what is not white) over the norm of the lesser ink:
    a plain pixel error would call all pale pictures alike.
    """
    import numpy as np

    found = []
    for style in STYLES:
        ink = np.stack([1 - np.asarray(load_image(c.hex, style), np.float32).ravel() / 255 for c in concepts])
        norm = (ink**2).sum(1)
        square = np.maximum(norm[:, None] + norm - 2 * ink @ ink.T, 0) / np.minimum(norm[:, None], norm)
        for i, j in np.argwhere(np.triu(square < limit**2, 1)):
            found.append((int(i), int(j), style, float(square[i, j] ** 0.5)))
    return found


def join_clusters() -> None:
    """Join the clusters of look-alikes and namesakes in ``concepts.json``, and give each one role.

    Two pictures alike in any style join their concepts: one asked for in a style must have no twin
    that trains in it. The role and held-out style are those of the part with most members; of
    equals, the first in ``RANK`` wins. Doing it again changes nothing.
    """
    concepts = load_concepts()
    index = {concept.en: i for i, concept in enumerate(concepts)}
    pairs = [(i, j) for i, j, _, _ in look_alikes(concepts)]
    pairs += [(index[names[0]], index[other]) for names in NAMESAKES for other in names[1:]]
    parts: dict[str, list[Emoji]] = {}
    for concept in concepts:
        parts.setdefault(concept.cluster, []).append(concept)
    group = {cluster: {cluster} for cluster in parts}
    for i, j in pairs:
        joined = group[concepts[i].cluster] | group[concepts[j].cluster]
        group |= dict.fromkeys(joined, joined)
    rows = json.loads((EMOJI / "concepts.json").read_text("utf-8"))
    for row in rows:
        lead = min(group[row["cluster"]], key=lambda c: (-len(parts[c]), RANK.index(parts[c][0].role), c))
        if len(group[row["cluster"]]) > 1:
            print(f"joined: {row['en']}: {row['role']} -> {parts[lead][0].role} ({parts[lead][0].en})")
        row |= {key: getattr(parts[lead][0], key) for key in ("cluster", "role", "held_out_style")}
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (EMOJI / "concepts.json").write_bytes(f"[\n{text}\n]\n".encode())


# ---- pictures ------------------------------------------------------------------------------------


def render(svg: str) -> Image.Image:
    """Return the (64, 64) RGB picture of an SVG: cropped, squared, on white."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, width=RENDER, height=RENDER, skip_system_fonts=True)
    drawn = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    seen = drawn.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0)
    left, top, right, bottom = seen.getbbox()
    white = Image.new("RGBA", drawn.size, "white")
    white.alpha_composite(drawn)
    scale = (SIZE - 2 * MARGIN) / max(right - left, bottom - top)
    side = SIZE / scale  # the square, in rendered pixels, that becomes SIZE x SIZE
    x0, y0 = (left + right - side) / 2, (top + bottom - side) / 2
    canvas = Image.new("RGB", (3 * RENDER, 3 * RENDER), "white")
    canvas.paste(white.convert("RGB"), (RENDER, RENDER))
    box = (x0 + RENDER, y0 + RENDER, x0 + RENDER + side, y0 + RENDER + side)
    return canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS, box=box)


def quantise(picture: Image.Image) -> Image.Image:
    """Return the picture with a palette of at most 64 colours, white kept exactly white."""
    small = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    used = sorted(index for _, index in small.getcolors())
    colours = small.getpalette()
    palette = [tuple(colours[3 * i : 3 * i + 3]) for i in used]
    palette = [(255, 255, 255) if min(colour) >= 252 else colour for colour in palette]
    unique = sorted(set(palette), reverse=True)
    table = [0] * 256
    for old, colour in zip(used, palette, strict=True):
        table[old] = unique.index(colour)
    out = small.point(table)
    out.putpalette([channel for colour in unique for channel in colour])
    return out


def build_style(folder: Path, style: str, concepts: list[Emoji]) -> None:
    """Write ``data/emoji/<style>/<hex>.png`` for every concept."""
    read = svg_reader(folder, style)
    home = EMOJI / style
    home.mkdir(parents=True, exist_ok=True)
    for old in home.glob("*.png"):
        old.unlink()
    for concept in concepts:
        quantise(render(read(concept.hex))).save(home / f"{concept.hex}.png", optimize=True)
    print(f"{style}: {len(concepts)} pictures, {sum(f.stat().st_size for f in home.glob('*.png')):,} bytes")


def copy_licences(folder: Path) -> None:
    """Copy the licences that the packages carry; the other folders keep the text that they have."""
    shutil.copyfile(folder / PACKAGES["openmoji"][2] / "LICENSE.txt", EMOJI / "openmoji" / "LICENSE")
    shutil.copyfile(folder / PACKAGES["names"][2] / "LICENSE", EMOJI / "LICENSE-UNICODE")
    for style in STYLES:
        if not (EMOJI / style / "LICENSE").is_file():
            sys.exit(f"data/emoji/{style}/LICENSE is missing: the pictures must not travel without it.")


def write_manifest() -> None:
    """Write ``SHA256SUMS`` in the format of sha256sum, over everything but itself and the card."""
    files = [EMOJI / "concepts.json", EMOJI / "LICENSE-UNICODE"]
    files += [file for style in STYLES for file in sorted((EMOJI / style).iterdir())]
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(EMOJI).as_posix()}" for f in files]
    (EMOJI / "SHA256SUMS").write_bytes(("\n".join(lines) + "\n").encode())


def write_examples() -> None:
    """Write the small class folders ``data/train`` and ``data/test`` from the committed pictures.

    No concept cluster has pictures in both. Files that lie there already and are not ours stay.
    """
    by_name = {concept.en: concept for concept in load_concepts()}
    licence = (
        "Example pictures: Noto Emoji, Copyright 2013 Google, Inc., Apache License 2.0\n"
        f"(its text is data/emoji/{EXAMPLE_STYLE}/LICENSE).\n"
        "Changed: rendered at 64 x 64 pixels, cropped, flattened on white, 64 colours.\n"
        "Each folder is one class. Put folders of your own pictures beside these or in their place.\n"
    )
    for label, text in EXAMPLES.items():
        names = [name.strip() for name in text.split(",")]
        parts = {"train": names[:EXAMPLE_TRAIN], "test": names[-EXAMPLE_TEST:]}
        clusters = {part: {by_name[name].cluster for name in some} for part, some in parts.items()}
        if crossing := clusters["train"] & clusters["test"]:
            sys.exit(f"{label}: the clusters {sorted(crossing)} would be in train and in test.")
        for part, some in parts.items():
            home = ROOT / "data" / part / label
            home.mkdir(parents=True, exist_ok=True)
            for name in some:
                slug = "".join(c if c.isalnum() else "_" for c in name.lower())
                shutil.copyfile(EMOJI / EXAMPLE_STYLE / f"{by_name[name].hex}.png", home / f"{slug}.png")
    for part in ("train", "test"):
        (ROOT / "data" / part / "README.txt").write_bytes(licence.encode())


def contact_sheets(out: Path) -> None:
    """Write one sheet of all pictures per style, to look at."""
    out.mkdir(parents=True, exist_ok=True)
    concepts = load_concepts()
    columns = 38
    rows = -(-len(concepts) // columns)
    for style in STYLES:
        sheet = Image.new("RGB", (columns * SIZE, rows * SIZE), "white")
        for i, concept in enumerate(concepts):
            picture = Image.open(EMOJI / style / f"{concept.hex}.png").convert("RGB")
            sheet.paste(picture, (i % columns * SIZE, i // columns * SIZE))
        sheet.save(out / f"{style}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--packages", type=Path, help="folder with the packages")
    parser.add_argument("--fetch", action="store_true", help="get missing packages with npm pack")
    parser.add_argument("--join", action="store_true", help="only join clusters of look-alikes")
    parser.add_argument("--examples", action="store_true", help="only write data/train and data/test")
    parser.add_argument("--sheets", type=Path, help="only write contact sheets into this folder")
    args = parser.parse_args()
    if args.sheets:
        return contact_sheets(args.sheets)
    if args.join:
        join_clusters()
        return write_manifest()
    if not args.examples:
        if not args.packages and not args.fetch:
            parser.error("give --packages DIR or --fetch")
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.packages or Path(temporary)
            unpack(folder, args.fetch)
            concepts = load_concepts()
            check_names(folder, concepts)
            for style in STYLES:
                build_style(folder, style, concepts)
            copy_licences(folder)
        join_clusters()
        write_manifest()
    write_examples()


if __name__ == "__main__":
    main()

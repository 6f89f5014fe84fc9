"""Keep weights that were trained before in today's form: 8 bits a number, and of two players only the one that draws.

python scripts/repack_weights.py gan …

Nothing is trained: tensors are read, those that the stage's recipe does not keep are dropped, the rest is packed, and
the card's size and hash are renewed. Other stages that were trained on these weights would no longer find them.
"""

from __future__ import annotations

import json
import sys

from mjcourse import config
from mjcourse.files import sha256, write_atomically
from mjcourse.training.stages import STAGES
from mjcourse.weights import load_tensors, pack, save_tensors, unpack

PART = {"gan": "generator."}  # the beginning of the names that are kept, and dropped from them


def main() -> None:
    """Repack each stage named."""
    for stage in sys.argv[1:]:
        if above := [other.name for other in STAGES.values() if stage in other.needs]:
            raise SystemExit(f"{', '.join(above)} would have to be trained anew on repacked {stage} weights")
        path, part = config.WEIGHTS / f"{stage}.safetensors", PART.get(stage, "")
        before, (tensors, meta) = path.stat().st_size, load_tensors(path)
        tensors = unpack(tensors)
        if any(name.startswith(part) for name in tensors):
            tensors = {name.removeprefix(part): t for name, t in tensors.items() if name.startswith(part)}
        learned = (t for name, t in tensors.items() if not name.split(".")[-1].startswith(("running_", "num_batches")))
        save_tensors(path, pack(tensors), meta)
        card = json.loads(path.with_suffix(".json").read_text("utf-8"))
        card["parameters"] = sum(t.numel() for t in learned if t.is_floating_point()) if part else card["parameters"]
        card |= {"sha256": sha256(path), "bytes": path.stat().st_size}
        write_atomically(path.with_suffix(".json"), (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
        print(f"{stage}: {before:,} bytes before, {card['bytes']:,} now")


if __name__ == "__main__":
    main()

"""Weights and checkpoints on disk: safetensors with a card. Chapter 02.

Only safetensors are read: a pickle can run code when it is opened.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.scenes import DATA_VERSION
from mjcourse.files import sha256, write_atomically


def save_tensors(path: Path, tensors: dict, meta: dict) -> None:
    """Write tensors and a JSON-able `meta` to one safetensors file."""
    from safetensors.torch import save

    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_atomically(path, save(tensors, {"mjcourse": json.dumps(meta, sort_keys=True)}))


def load_tensors(path: Path) -> tuple[dict, dict]:
    """Read what `save_tensors` wrote: (tensors, meta).

    Raises:
        UserError: the file is missing, truncated, a pickle, or not of this course.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.exists():
        raise UserError(f"there is no {path.name} in {path.parent}; `mjcourse doctor` says how to get it back.")
    with open(path, "rb") as file:
        head = file.read(9)  # of safetensors: the length of the header, then the header, which is JSON
    if head[8:] != b"{" and (head[:4] == b"PK\x03\x04" or head[:1] == b"\x80"):
        raise UserError(f"{path.name} is a pickle, which can run code when opened; only safetensors files are read.")
    try:
        with safe_open(path, "pt") as file:
            meta = json.loads((file.metadata() or {}).get("mjcourse", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"{path.name} is damaged ({error}); fetch it again or train the stage anew.") from error
    if meta is None:
        raise UserError(f"{path.name} was not written by mjcourse: it has no mjcourse metadata.")
    return tensors, meta


def as_json(value: object) -> object:
    """Return a configuration (dataclass, tuple, path …) as JSON would give it back."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    return json.loads(json.dumps(value, default=str))


def find_weights(stage: str, digest: str | None = None) -> Path:
    """Return the weights of a stage: the learner's own in ``runs/`` where there are any, else the shipped.

    Args:
        stage: its name.
        digest: the SHA-256 that the file must have, for a model that was trained on top of it.

    Raises:
        UserError: neither is there, or neither is the one that `digest` asks for.
    """
    own, shipped = config.RUNS / stage / f"{stage}.safetensors", config.WEIGHTS / f"{stage}.safetensors"
    there = [path for path in (own, shipped) if path.exists()]
    if not there:
        raise UserError(
            f"there are no weights for {stage!r}: {shipped.name} is missing from {shipped.parent}. "
            f"Restore it with `git checkout -- data/weights`, or train it with `mjcourse train {stage}`."
        )
    for path in there:
        if digest is None or sha256(path) == digest:
            return path
    raise UserError(
        f"the {stage!r} weights here are not those that the model was trained on; restore them with "
        f"`git checkout -- data/weights`, or train the model anew on these."
    )


SCALE = "/scale"  # after the name of a tensor kept as 8-bit integers: what to multiply each row by


def pack(tensors: dict) -> dict:
    """Return tensors as they are kept: matrices and kernels as 8-bit integers with a scale a row, the rest as float16.

    A number is off by at most half of its row's largest divided by 127 (round to nearest; so in Jacob et al. 2018).
    """
    import torch

    kept = {}
    for name, t in tensors.items():
        if not t.is_floating_point():
            kept[name] = t
        elif t.ndim < 2 or t.numel() < 1024:
            kept[name] = t.to(torch.float16)
        else:
            rows = t.detach().float().flatten(1)
            scale = (rows.abs().amax(1) / 127).clamp(min=1e-12)
            kept[name] = (rows / scale[:, None]).round().to(torch.int8).view(t.shape)
            kept[name + SCALE] = scale
    return kept


def unpack(kept: dict) -> dict:
    """Return the tensors that `pack` kept, those of 8 bits as float32."""
    found = {}
    for name, t in kept.items():
        if not name.endswith(SCALE):
            scale = kept.get(name + SCALE)
            found[name] = t if scale is None else t.float() * scale.view(-1, *[1] * (t.ndim - 1))
    return found


def save_weights(path: Path, model, model_config: object, card: dict) -> None:
    """Write a model's weights, packed, and its card (JSON) beside them.

    Args:
        path: ``….safetensors``; the card goes to ``….json``.
        model: the network.
        model_config: its configuration, checked when the weights are loaded.
        card: what else the reader should know; `sha256` and `config` are added.
    """
    meta = {"config": as_json(model_config), "stage": card["stage"], "data": card["data"]}
    meta["upstream"] = card.get("upstream", {})
    save_tensors(path, pack(model.state_dict()), meta)
    card = {**card, "config": meta["config"], "sha256": sha256(path), "bytes": path.stat().st_size}
    write_atomically(path.with_suffix(".json"), (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


def load_weights(model, path: Path, model_config: object):
    """Load weights into a model of the same configuration, and return it in eval mode.

    Raises:
        UserError: the file is damaged, or of another stage, configuration or version of the data.
    """
    tensors, meta = load_tensors(path)
    if meta.get("config") != as_json(model_config):
        differing = _difference(meta.get("config") or {}, as_json(model_config))
        raise UserError(f"{path.name} was trained with another configuration ({differing}); train it anew.")
    if meta.get("data") != DATA_VERSION:
        raise UserError(
            f"{path.name} was trained on data {meta.get('data')!r}, this is {DATA_VERSION!r}; train it anew."
        )
    own, tensors = model.state_dict(), unpack(tensors)
    if set(own) != set(tensors):
        raise UserError(f"{path.name} does not fit the model: the names of its tensors differ; train it anew.")
    model.load_state_dict({name: t.to(own[name].dtype) for name, t in tensors.items()})
    return model.eval().requires_grad_(False)


def load_trained(model_type: type, config_type: type, path: Path):
    """Load weights into a new model of the configuration that they were saved with, and return it in eval mode.

    Raises:
        UserError: as for `load_weights`; or the file has another kind of configuration.
    """
    try:
        cfg = config_type(**load_tensors(path)[1]["config"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{path.name} is of another version of the course; train it anew.") from error
    return load_weights(model_type(cfg), path, cfg)


def _difference(theirs: dict, ours: dict) -> str:
    rows = [
        f"{k}: file {theirs.get(k)!r}, here {ours.get(k)!r}"
        for k in sorted({*theirs, *ours})
        if theirs.get(k) != ours.get(k)
    ]
    return "; ".join(rows[:3]) or "unreadable"

"""A text encoder: caption to a few register vectors that say what the caption says. Chapter 05 builds it.

Tokens attend to each other and to learned *registers* (Darcet et al. 2023 use them in vision); only the
registers leave the encoder, so a generator sees a short fixed number of vectors whatever the caption's
length. The reading heads, one per attribute, train it: which value does the caption name, if any?
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from mjcourse.models.attention import attention


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the text encoder; `classes` are the values per attribute, 'unsaid' included."""

    vocab_size: int = 1200
    length: int = 64  # tokens read; the rest of a longer prompt is cut off
    width: int = 128
    layers: int = 3
    heads: int = 4
    registers: int = 16
    classes: tuple[int, ...] = ()

    @classmethod
    def tiny(cls) -> TextConfig:
        """A configuration for tests."""
        return cls(vocab_size=300, length=24, width=32, layers=1, heads=2, registers=4, classes=(3, 4))


class Block(nn.Module):
    """A pre-norm transformer block: self-attention, then a two-layer perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = attention(q, k, v, mask)  # (B, heads, T, C / heads)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.norm2(x))


class TextEncoder(nn.Module):
    """Token ids (B, L), 0 for padding → registers (B, registers, width).

    A convolution over neighbouring tokens comes first, so that a colour or a place and its noun meet early.
    """

    def __init__(self, cfg: TextConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.tokens = nn.Embedding(cfg.vocab_size, cfg.width)
        self.positions = nn.Parameter(torch.randn(cfg.length, cfg.width) * 0.3)
        self.phrase = nn.Conv1d(cfg.width, cfg.width, 7, padding=3)  # binds a colour or place to its noun
        self.registers = nn.Parameter(torch.randn(cfg.registers, cfg.width) * 0.5)
        self.blocks = nn.ModuleList(Block(cfg.width, cfg.heads) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(cfg.width)
        nn.init.normal_(self.tokens.weight, std=0.5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        b, r = len(ids), self.cfg.registers
        words = (self.tokens(ids) + self.positions[: ids.shape[1]]) * (ids != 0)[..., None]  # (B, L, C)
        words = words + self.phrase(words.transpose(1, 2)).transpose(1, 2)
        x = torch.cat([self.registers.expand(b, -1, -1), words], 1)  # (B, R + L, C)
        there = torch.cat([ids.new_ones(b, r), ids], 1) != 0
        mask = there[:, None, None, :]  # nobody attends to padding
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x[:, :r])


class CaptionReader(nn.Module):
    """The encoder and its reading heads: ids (B, L) → per attribute logits (B, classes).

    The tokenizer that made the ids travels with the weights: its JSON, as bytes, in `tokenizer`.
    """

    def __init__(self, cfg: TextConfig, tokenizer: torch.Tensor) -> None:
        super().__init__()
        self.cfg = cfg
        self.register_buffer("tokenizer", tokenizer)
        self.encoder = TextEncoder(cfg)
        self.heads = nn.Linear(cfg.registers * cfg.width, sum(cfg.classes))

    def forward(self, ids: torch.Tensor) -> list[torch.Tensor]:
        return self.read(self.encoder(ids))

    def read(self, registers: torch.Tensor) -> list[torch.Tensor]:
        """Return the logits of each attribute from registers (B, R, C)."""
        return list(self.heads(registers.flatten(1)).split(self.cfg.classes, dim=1))


class Tokenizer:
    """A byte-pair tokenizer over lower-cased text, trained with `tokenizers`: Chinese by the character.

    Args:
        json: the trained tokenizer as text.
        length: ids per text; shorter texts are padded with 0, longer ones cut.
    """

    def __init__(self, json: str, length: int) -> None:
        from tokenizers import Tokenizer as Backend

        self.json, self.length = json, length
        self.backend = Backend.from_str(json)
        self.backend.enable_padding(pad_id=0, pad_token="[pad]", length=length)
        self.backend.enable_truncation(length)

    @classmethod
    def train(cls, texts, vocab_size: int, length: int) -> Tokenizer:
        """Train a tokenizer on an iterable of texts."""
        from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers
        from tokenizers import Tokenizer as Backend

        backend = Backend(models.BPE(unk_token="[unk]"))
        backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[一-鿿]|[^\w\s]"), "isolated")]
        )
        trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=["[pad]", "[unk]"], show_progress=False)
        backend.train_from_iterator(texts, trainer)
        return cls(backend.to_str(), length)

    @cached_property
    def size(self) -> int:
        """Number of tokens in the vocabulary."""
        return self.backend.get_vocab_size()

    def as_bytes(self) -> torch.Tensor:
        """Return the trained tokenizer as a uint8 tensor, to be kept with weights."""
        return torch.frombuffer(bytearray(self.json.encode()), dtype=torch.uint8)

    @classmethod
    def from_bytes(cls, data: torch.Tensor, length: int) -> Tokenizer:
        """Return the tokenizer that `as_bytes` wrote."""
        return cls(bytes(data.cpu().numpy()).decode(), length)

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """Return the ids of texts, (B, length) int64."""
        return torch.tensor([e.ids for e in self.backend.encode_batch(list(texts))])

    def tokens(self, text: str) -> list[str]:
        """Return the pieces that a text is cut into."""
        return [t for t in self.backend.encode(text).tokens if t != "[pad]"]

"""GPT-2 over the tokens of a picture, told what to draw by the text before them. Chapter 09 builds it.

Radford et al. 2019 (GPT-2, here from `transformers`), van den Oord et al. 2017 (a prior over the tokens of a VQ-VAE),
Ramesh et al. 2021 (DALL·E: text and picture as one sequence).

    p(tokens | text) = ∏ p(token_i | text, token_1 … token_{i-1})
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of the prior; a picture's tokens are read row by row."""

    codes: int = 1024
    tokens: int = 256  # of a picture
    width: int = 192
    layers: int = 6
    heads: int = 6
    registers: int = 16  # text vectors that come with a prompt,
    text_width: int = 128  # and their width: those of the text encoder

    @classmethod
    def tiny(cls) -> PriorConfig:
        """A configuration for tests."""
        return cls(codes=32, tokens=16, width=32, layers=2, heads=2, registers=4, text_width=32)


class Prior(nn.Module):
    """Text (B, registers, text_width) and tokens (B, T) → logits (B, T, codes): of token i, given all before it.

    The sequence is the text's registers, then the picture's tokens; GPT-2's causal mask runs over both. Rows of
    `text` may be `null_text` for no prompt.
    """

    def __init__(self, cfg: PriorConfig) -> None:
        from transformers import GPT2Config, GPT2Model

        super().__init__()
        self.cfg = cfg
        self.text_in = nn.Linear(cfg.text_width, cfg.width)
        self.null_text = nn.Parameter(torch.randn(cfg.registers, cfg.text_width) * 0.02)
        self.body = GPT2Model(
            GPT2Config(
                vocab_size=cfg.codes,
                n_positions=cfg.registers + cfg.tokens,
                n_embd=cfg.width,
                n_layer=cfg.layers,
                n_head=cfg.heads,
                activation_function="gelu_pytorch_tanh",  # GPT-2's own, in one piece
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=None,
                eos_token_id=None,
            )
        )

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Return the matrices inside the blocks, which Muon may train."""
        return [p for p in self.body.h.parameters() if p.ndim == 2]

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return logits (…, codes) from GPT-2's output (…, width); a code's vector is also its output weight."""
        return hidden @ self.body.wte.weight.T

    def forward(self, tokens: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        before = torch.cat([self.text_in(text), self.body.wte(tokens[:, :-1])], 1)  # (B, registers + T - 1, width)
        hidden = self.body(inputs_embeds=before, use_cache=False).last_hidden_state
        return self.score(hidden[:, self.cfg.registers - 1 :])  # the last register foretells the first token


def prior_loss(model: Prior, tokens: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of each token (B, T) in nats, given the text and the tokens before it."""
    logits = model(tokens, text).float()  # (B, T, codes)
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(tokens.shape)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Return Gumbel noise: -log(-log u), u uniform."""
    return -torch.log(-torch.log(torch.rand(shape, generator=generator).clamp(1e-9, 1 - 1e-7)))


def keep_top(logits: torch.Tensor, k: int) -> torch.Tensor:
    """Return logits (…, codes) in which all but the k largest are -inf."""
    least = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, float("-inf"))


@torch.no_grad()
def write_tokens(
    model: Prior,
    noise: torch.Tensor,
    text: torch.Tensor | Sequence[torch.Tensor],
    guidance_scale: float = 3.0,
    temperature: float = 1.0,
    top_k: int | None = None,
    given: torch.Tensor | None = None,
    progress: Callable[[int], None] | None = None,
    weights: Sequence[float] = (1.0,),
) -> torch.Tensor:
    """Draw the tokens of pictures one after the other, logits guided as ℓ = ℓ₀ + s Σ w_k (ℓ_k - ℓ₀) / Σ w_k.

    For one text that is ℓ₀ + s (ℓ_text - ℓ₀), as in chapter 09.

    Args:
        model: the prior.
        noise: (B, T, codes), Gumbel noise: the largest of logit + noise is a draw from the softmax of the logits.
        text: (B, registers, text_width), or several of that shape.
        guidance_scale: s; 1 is no guidance.
        temperature: divides the logits; below 1 the likely becomes likelier, 0 always takes the likeliest.
        top_k: draw among the k likeliest only.
        given: (B, G), first tokens that are given rather than drawn.
        progress: called with the number of tokens there are.
        weights: w_k, a number for each of several texts; they must sum to more than 0.

    Returns:
        Tokens (B, T) int64.
    """
    from transformers import DynamicCache

    b, total = noise.shape[:2]
    texts = [text] if isinstance(text, torch.Tensor) else list(text)
    guided = guidance_scale != 1 or len(texts) > 1
    told = torch.cat([*texts, model.null_text.to(texts[0].dtype).expand(b, -1, -1)]) if guided else texts[0]
    tokens = torch.empty(b, 0, dtype=torch.int64, device=told.device) if given is None else given
    new = model.text_in(told)
    if tokens.shape[1]:
        new = torch.cat([new, model.body.wte(tokens).repeat(len(told) // b, 1, 1)], 1)
    cache = DynamicCache(config=model.body.config)  # keys and values of all that was read before
    while tokens.shape[1] < total:
        hidden = model.body(inputs_embeds=new, past_key_values=cache, use_cache=True).last_hidden_state[:, -1]
        logits = model.score(hidden).float()
        if guided:
            *each, without = logits.chunk(len(texts) + 1)
            pulls = sum(w / sum(weights) * (told_k - without) for w, told_k in zip(weights, each, strict=True))
            logits = without + guidance_scale * pulls
        if top_k:
            logits = keep_top(logits, top_k)
        drawn = (logits + temperature * noise[:, tokens.shape[1]]).argmax(-1, keepdim=True)  # (B, 1)
        tokens = torch.cat([tokens, drawn], 1)
        new = model.body.wte(drawn).repeat(len(told) // b, 1, 1)
        if progress:
            progress(tokens.shape[1])
    return tokens

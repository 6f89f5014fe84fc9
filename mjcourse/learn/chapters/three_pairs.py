"""The exercise of chapter 07 about equation (4): the hinge losses of a game with three kinds of pairs."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.compare import close, expect, pair_of, tensor_of
from mjcourse.learn.exercise import Answers, Wrong


def check_three_pairs(answers: Answers, g: torch.Generator) -> None:
    """`three_pairs(right, made, wrong, share)`, logits (B,), (B,), (W,) and 0 to 1 → both players' losses."""
    losses = answers["three_pairs"]
    right, made, wrong = (s * torch.randn(n, generator=g) for n, s in ((9, 1.5), (9, 1.2), (6, 0.9)))
    share = 0.15 + 0.2 * torch.rand((), generator=g).item()

    def both(*given):
        return [tensor_of(loss, "each loss").squeeze() for loss in pair_of(losses(*given), "the losses")]

    a, b, c = F.relu(1 - right).mean(), F.relu(1 + made).mean(), F.relu(1 + wrong).mean()
    of_d, of_g = a + (1 - share) * b + share * c, -made.mean()
    fakes = torch.cat([made, wrong])
    soft = F.softplus(-right).mean() + (1 - share) * F.softplus(made).mean() + share * F.softplus(wrong).mean()

    def relative(fake):  # the loss of (4), of two means or of each pair
        return F.softplus(fake - right[: len(fake)]).mean()

    mistakes = {
        "a real picture with a wrong text is a fake: its logit belongs below −1, as those of made pictures do.":
            a + (1 - share) * b + share * F.relu(1 - wrong).mean(),
        "`share` is the part of the wrong texts; made pictures get the rest.": a + share * b + (1 - share) * c,
        "the wrong texts do not count yet: that is the game without its third pair.": (a + b, a + (1 - share) * b),
        "the fakes count twice as much as the real pictures: their two parts are `share` and 1 − `share`.":
            (a + b + c, a + b + share * c),
        "both kinds of fakes count alike, as in equation (4); here `share` decides.": a + (b + c) / 2,
        "that is half of the loss: the ½ of (4) stands before *two* terms, and the real pictures are in each of them.":
            of_d / 2,
        "the real pictures have lost a part of their weight: in (4) they stand in both terms, so they count once.":
            ((1 - share) * (a + b) + share * c, a / 2 + (1 - share) * b + share * c),
        "made pictures and wrong texts are thrown together; each kind has its own mean.": a + F.relu(1 + fakes).mean(),
        "these are softplus losses; the hinge is max(0, 1 − ℓ) for real pairs and max(0, 1 + ℓ) for fakes.": soft,
        "that is the relativistic loss of (4); the hinge looks at each kind of pair by itself.":
            (relative(made), (1 - share) * relative(made) + share * relative(wrong), (1 - share) * relative(made)),
        "each kind is a mean over its own logits; these are sums.": 9 * a + (1 - share) * 9 * b + share * 6 * c,
        "real pairs belong *above* 1: max(0, 1 − ℓ), not max(0, ℓ − 1).":
            F.relu(right - 1).mean() + (1 - share) * b + share * c,
    }  # fmt: skip
    third = "the generator cannot change the third pair; only its own logits, `made`, are in its loss."
    of_generator = {
        third: (
            -(1 - share) * made.mean() - share * wrong.mean(), -fakes.mean(), of_g - wrong.mean(), of_g + wrong.mean(),
            of_g - share * wrong.mean(), of_g + share * wrong.mean(), (of_g - wrong.mean()) / 2,
            -(1 - share) * made.mean() + share * wrong.mean(),
        ),
        "the generator's loss has only one kind of pair, so nothing is shared there: leave `share` out of it.":
            ((1 - share) * of_g, share * of_g, of_g / 2),
        "the generator cannot change what real pictures get; only its own logits, `made`, are in its loss.":
            (right.mean() + of_g, of_g - right.mean()),
        "the generator's loss is the relativistic one; by the hinge it has no rival.": F.softplus(right - made).mean(),
        "the generator's hinge loss has no hinge: it is minus the mean of its logits (chapter 03).":
            (F.relu(1 - made).mean(), -F.relu(1 + made).mean(), F.softplus(-made).mean()),
        "the generator does not get minus the other player's loss: it is minus the mean of its logits (chapter 03).":
            -of_d,
        "the generator's loss has the wrong sign: it wants its logits high.": made.mean(),
        "the generator's loss is a mean over its logits; that is their sum.": -made.sum(),
    }  # fmt: skip
    got = both(right, made, wrong, share)
    if close(got[0], of_g) and close(got[1], of_d):
        raise Wrong("the two losses have changed places: discriminator first.")
    expect(got[0], of_d, "the discriminator's loss", mistakes)
    expect(got[1], of_g, "the generator's loss", of_generator)
    none = "with no wrong text at all the made pictures get the whole weight"
    lost = {f"{none}; the mean of nothing is nan.": torch.tensor(torch.nan)}
    lost[f"{none}; the share of the wrong ones is lost."] = a + (1 - share) * b
    got = both(right, made, wrong[:0], share)
    expect(got[0], a + b, f"{none}: the discriminator's loss", lost)
    expect(got[1], of_g, "with no wrong text at all the generator's loss")
    right.requires_grad_(), made.requires_grad_(), wrong.requires_grad_()
    d_loss, g_loss = losses(right, made, wrong, share, frozen=False)
    for name, loss, logits in (("right", d_loss, right), ("wrong", d_loss, wrong), ("made", g_loss, made)):
        passes = type(loss) is torch.Tensor and loss.requires_grad
        if not passes or torch.autograd.grad(loss, logits, allow_unused=True, retain_graph=True)[0] is None:
            raise Wrong(f"no gradient reaches `{name}`: no .item(), .detach() or no_grad on the way.")

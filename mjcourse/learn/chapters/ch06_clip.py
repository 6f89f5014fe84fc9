"""Exercises of chapter 06: recall at k, the same thing said twice, a temperature that fits, a debugging, curves, hubs.

Each check compares with a reference on random inputs, and with the values that usual mistakes give.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.chapters.clip_hubs import check_rescore
from mjcourse.learn.chapters.clip_scale import check_scale
from mjcourse.learn.chapters.clip_step import check_step
from mjcourse.learn.compare import expect, expect_choices, number_of, pair_of, tensor_of
from mjcourse.learn.exercise import Answers, Exercise, Wrong
from mjcourse.models.clip import clip_loss

DRAWS = 4  # of shares of a few dozen, which could agree by chance


def check_recall(answers: Answers, g: torch.Generator) -> None:
    """`recall_at_k(image, text, owner, k)`, (N, d), (M, d), (M,) → (to texts, to pictures)."""
    recall = answers["recall_at_k"]

    def vectors(count: int) -> tuple[torch.Tensor, ...]:
        owner = torch.cat([torch.arange(count), torch.randint(count, (count,), generator=g)])
        owner = owner[torch.randperm(len(owner), generator=g)]  # each picture has a text, many have more
        z = torch.randn(count, 8, generator=g)
        image, text = z + 0.7 * torch.randn(count, 8, generator=g), z[owner] + torch.randn(len(owner), 8, generator=g)
        lengths = (0.8 * torch.randn(len(image) + len(text), 1, generator=g)).exp().split((len(image), len(text)))
        return image * lengths[0], text * lengths[1], owner

    def shares(image, text, owner, k, scaled=(1, 1), largest=True, how="any") -> torch.Tensor:
        u, v = (x if dim is None else F.normalize(x, dim=dim) for x, dim in zip((image, text), scaled, strict=True))
        likeness = u @ v.T
        own = owner == torch.arange(len(image))[:, None]  # (N, M)
        texts = own.gather(1, likeness.topk(k, 1, largest).indices)  # (N, k)
        pictures = own.gather(0, likeness.topk(k, 0, largest).indices)  # (k, M)
        if how == "found":  # the share of a picture's texts
            return torch.stack([(texts.sum(1) / own.sum(1)).mean(), pictures.any(0).float().mean()])
        if how == "all":
            return torch.stack([(texts.sum(1) == own.sum(1)).float().mean(), pictures.any(0).float().mean()])
        if how == "precision":
            return torch.stack([texts.float().mean(), pictures.float().mean()])
        hits = torch.stack([texts.any(1).float().sum(), pictures.any(0).float().sum()])
        return hits if how == "sum" else hits / torch.tensor([len(image), len(text)])

    asked = [(*vectors(int(torch.randint(25, 35, (), generator=g))), k) for k in (2, 3, 4, 1)[:DRAWS]]
    said = [torch.tensor([number_of(x, "each share") for x in pair_of(recall(*one), "the shares")]) for one in asked]

    def stacked(**how) -> torch.Tensor:
        return torch.stack([shares(*one, **how) for one in asked])

    want = stacked()
    by_row = torch.stack([shares(u, v, torch.arange(len(v)), k) for u, v, _, k in asked])  # text i for picture i's
    mistakes = {
        "these are numbers of hits; divide by how many were asked.": stacked(how="sum"),
        "the two ways have changed places: pictures that look for texts come first.": want.flip(1),
        "only the very nearest counts; it is enough to be among the k nearest.":
            torch.stack([shares(*one[:3], 1) for one in asked]),
        "one too many is looked at: k, not k + 1.": torch.stack([shares(*one[:3], one[3] + 1) for one in asked]),
        "these are products, and long vectors win them; cosines need vectors of length 1.":
            stacked(scaled=(None, None)),
        "only the texts are scaled to length 1; to a text, long pictures are near then.": stacked(scaled=(None, 1)),
        "only the pictures are scaled to length 1; to a picture, long texts are near then.": stacked(scaled=(1, None)),
        "each vector, a row, has to have length 1; here each column has: which dimension is scaled?":
            (stacked(scaled=(0, 0)), stacked(scaled=(0, 1)), stacked(scaled=(1, 0))),
        "these are the farthest ones; the nearest have the largest cosine.": stacked(largest=False),
        "a picture has found its text when *one* of its texts is among the k nearest; they need not all be there.":
            (stacked(how="all"), stacked(how="found")),
        "that is the share of right ones among the k nearest; a picture with one of them is found, and counts 1.":
            (stacked(how="precision"), torch.stack([stacked(how="precision")[:, 0], want[:, 1]], 1),
             torch.stack([want[:, 0], stacked(how="precision")[:, 1]], 1)),
        "`owner` says whose a text is; text i need not belong to picture i.":
            (torch.stack([by_row[:, 0], want[:, 1]], 1), torch.stack([want[:, 0], by_row[:, 1]], 1), by_row),
        "both numbers are of the same way; rows are one, columns the other.":
            (want[:, :1].expand(-1, 2), want[:, 1:].expand(-1, 2)),
    }  # fmt: skip
    expect(torch.stack(said), want, "the pair of shares", mistakes)


def check_grouped(answers: Answers, g: torch.Generator) -> None:
    """`grouped_loss(image, text, scale, group)`, unit vectors (B, d) each, 1/τ, (B,) whole numbers → one number."""
    loss = answers["grouped_loss"]
    group = torch.tensor([0, 1, 2, 0, 3, 1, 0, 4, 5])[torch.randperm(9, generator=g)]
    image, text = F.normalize(torch.randn(2, 9, 6, generator=g), dim=2)
    scale, own = 3 + 4 * torch.rand((), generator=g), torch.arange(9)
    logits = scale * image @ text.T
    alike = group[:, None] == group
    others = alike & ~torch.eye(9, dtype=torch.bool)

    def ways(to_text: torch.Tensor, to_image: torch.Tensor) -> torch.Tensor:
        return torch.stack([F.cross_entropy(to_text, own), F.cross_entropy(to_image, own)])

    left = logits.masked_fill(others, -torch.inf)
    zero, gone = logits.masked_fill(others, 0.0), logits.masked_fill(alike, -torch.inf)
    both = ways(left, left.T)
    want = both.mean()
    soft = alike / alike.sum(1, keepdim=True)
    first = torch.tensor([int((group[:k] == group[k]).sum()) == 0 for k in range(9)])
    mistakes = {
        "that is equation (2) as it is; texts that are right as well still count as wrong answers.":
            clip_loss(image, text, scale),
        "a score of 0 is a score like any other; what is left out needs −∞.": ways(zero, zero.T).mean(),
        "they are left out where pictures look for texts, and still in where texts look for pictures (or the reverse).":
            (ways(left, logits.T).mean(), ways(logits, left.T).mean()),
        "its own text has to stay in the sum.":
            (torch.tensor(torch.inf), ((gone.logsumexp(1) + gone.logsumexp(0)) / 2 - logits.diagonal()).mean()),
        "the others of a group are kept and all else is left out; it is the other way round.":
            ways(logits.masked_fill(~alike, -torch.inf), logits.T.masked_fill(~alike, -torch.inf)).mean(),
        "that is one way only; equation (2) is the mean of both.": (both[0], both[1]),
        "it is the sum of both ways; equation (2) has a half.": both.sum(),
        "it is summed over the rows; equation (2) has a mean over N.": 9 * want,
        "the others of a group count as right answers, too; here they are only not wrong.":
            (F.cross_entropy(logits, soft) + F.cross_entropy(logits.T, soft)) / 2,
        "rows of a group are dropped from the batch; each row keeps its own question.":
            clip_loss(image[first], text[first], scale),
        "the scale is missing: scores are s times the cosine.": ways(left / scale, left.T / scale).mean(),
    }  # fmt: skip
    expect(loss(image, text, scale, group), want, "the loss", mistakes)
    alone = loss(image[:5], text[:5], scale, torch.full((5,), 7))
    expect(alone, torch.zeros(()), "the loss of a batch in which all say the same")
    near = F.normalize(image[:1] + 0.15 * torch.randn(2, 9, 6, generator=g), dim=2)  # cosines near 1
    cold = (torch.tensor(100.0) * near[0] @ near[1].T).masked_fill(others, -torch.inf)
    late = "at s = 100 the exponentials overflow; take cross_entropy or logsumexp, which never form them."
    lost = [torch.tensor(x) for x in (torch.nan, torch.inf, -torch.inf)]
    got = tensor_of(loss(*near, torch.tensor(100.0), group), "the loss at s = 100")
    expect(got, ways(cold, cold.T).mean(), "the loss at s = 100", {late: lost}, rtol=1e-3, atol=1e-3)
    image.requires_grad_(), scale.requires_grad_()
    result = loss(image, text, scale, group, frozen=False)
    passes = type(result) is torch.Tensor and result.requires_grad
    got = torch.autograd.grad(result, (image, scale), allow_unused=True) if passes else (None, None)
    if None in got:
        raise Wrong("no gradient reaches the vectors or the scale: no .item(), .detach() or no_grad on the way.")
    left = (scale * image @ text.T).masked_fill(others, -torch.inf)
    right = torch.autograd.grad(ways(left, left.T).mean(), (image, scale))
    expect(got[0], right[0], "the gradient by the pictures' vectors")
    expect(got[1], right[1], "the gradient by the scale")


RUNS = {"A": "mixed-up", "B": "cold", "C": "healthy", "D": "hot"}
RUN_WORDS = ("healthy", "hot", "cold", "only-pull", "mixed-up")
RUN_REASONS = {
    ("A", ""): "its loss stays at log N, and nothing is brighter on the diagonal than beside it.",
    ("A", "healthy"): "its diagonal is no brighter than the rest: it knows no pair.",
    ("A", "hot"): "hot towers show what they know on the diagonal, if not in the loss; here there is nothing.",
    ("B", ""): "look at its first loss: to be sure and wrong costs s (section 1); which s costs hundreds of nats?",
    ("B", "healthy"): "its recall is as good; its first loss is not, and nobody pays hundreds of nats at a usual s.",
    ("B", "only-pull"): "1 − cosine is never above 2; this loss begins in the hundreds.",
    ("C", ""): "it begins near log N, falls well below, and its diagonal stands out.",
    ("C", "only-pull"): "1 − cosine is never above 2; this loss begins near 5.",
    ("D", ""): "its diagonal is bright, and its loss does not leave log N.",
    ("D", "healthy"): "a bright diagonal, yes; but near misses are as bright, and the loss hardly leaves log N.",
    ("D", "mixed-up"): "a run whose pairs are mixed up has nothing to learn; this one has a bright diagonal.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "Recall at k", 1, 10, check_recall,
        hints="""
        `recall_at_1` of section 3 is the pattern: one product gives all cosines, rows for pictures, columns for
        texts. Here the vectors have to be scaled first, and `owner` says what belongs together.

        likeness.topk(k, dim=1).indices are the k nearest texts of each picture, (N, k); owner[that] says whose
        they are. The other way topk runs over dimension 0.

        near = likeness.topk(k, 1).indices; hit = (owner[near] == torch.arange(N)[:, None]).any(1); for texts: near
        = likeness.topk(k, 0).indices, (k, M); hit = (near == owner).any(0). Then .float().mean() of each.
        """,
    ),
    Exercise(
        2, "The same thing said twice", 2, 15, check_grouped,
        hints="""
        Write the scores (1) as a matrix. Which of its entries are wrong answers that are not wrong?

        Where two different rows have the same group, the score must vanish from the sum of the softmax: −∞, as for
        padding in chapter 05. The diagonal stays.

        others = (group[:, None] == group) & ~torch.eye(B, dtype=torch.bool); logits = (scale * image @
        text.T).masked_fill(others, -torch.inf); then the two cross-entropies of clip_loss. `others` is symmetric,
        so logits.T is right as well.
        """,
    ),
    Exercise(
        3, "A temperature that fits", 2, 20, check_scale,
        hints="""
        The vectors are fixed, so the loss (2) is a function of one number. Draw it for one batch: it falls, and
        rises again where some pair is confused.

        It has one valley. Try many s at even steps of log s, take the best, and try again around it; or halve an
        interval by the sign of the slope in s, which the rule behind (6) gives: the mean of Σ p c − c of the right
        pair, both ways.

        low, high = math.log(0.01), math.log(100): thirty times, try clip_loss at a third and at two thirds of the
        interval, in float64, and keep the two thirds where it is smaller. Return math.exp(of the middle); at the
        upper end that is 100.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one step", 2, 20, check_step,
        hints="""
        Read with equations (1) and (2) beside it, and ask of each line what its rows are: pictures, texts, numbers
        of the space?

        One fault is in what gets length 1, one in which rows meet, one in what s does to a cosine.

        F.normalize(…, dim=1) for both; t or v in the same mixed order as the pictures; s multiplies: logits = s *
        u @ v.T.
        """,
    ),
    Exercise(
        5, "Reading a matrix", 1, 10, check_curves,
        hints="""
        Look at two things in each matrix, the diagonal and what is beside it. Then at the loss, its first value
        too, and at log N.

        Two losses stay at log N; of these, one has a bright diagonal. Of the other two, one begins where nobody
        begins at a usual temperature.

        Without true pairs there is nothing to know, and log N is all that can be had. Hot towers cannot get much
        below log N by (5), however good. At s = 1000 a confident mistake costs hundreds of nats. Who only pulls has a
        loss between 0 and 2.
        """,
    ),
    Exercise(
        6, "Design: a fairer search", 3, 40, check_rescore,
        hints="""
        By (3) a score should say by how much a picture makes a text *more* likely. A text that is near to every
        picture has a high cosine with yours, and that says little. What in the matrix tells how near it is to all?

        Take something off each column. Its mean is a start, and not enough: a column may be too wide as well as too
        high. Two ways go on: give each column mean 0 *and* width 1; or take (3) at its word.

        With s · cosine for log p(t | x), up to a constant for each text, p(t) is its mean over the pictures: scores
        = s * cosines, minus the logarithm of the mean of exp(scores) over each column, s between 20 and 50. It is
        the softmax of the second half of (2).
        """,
    ),
)  # fmt: skip

"""Exercises of chapter 04: an unsure judge, a batch in pieces, an average, a broken epoch, curves, a test for faults.

Each check compares with a reference on random inputs, and with the values that usual mistakes give.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.chapters.clinic_epoch import check_epoch
from mjcourse.learn.chapters.clinic_pieces import check_pieces
from mjcourse.learn.chapters.clinic_programs import check_sound
from mjcourse.learn.compare import expect, expect_choices, tensor_of
from mjcourse.learn.exercise import Answers, Exercise


def check_smoothed(answers: Answers, g: torch.Generator) -> None:
    """`smoothed(real, fake, label)`, logits (N,) and (M,), a number from 0 to 1 → one number."""
    smoothed = answers["smoothed"]
    real, fake = 1.0 + torch.randn(7, generator=g), -1.0 + torch.randn(12, generator=g)
    label = 0.75 + 0.15 * torch.rand((), generator=g).item()

    def parts(real, fake, label=label):
        return label * F.softplus(-real) + (1 - label) * F.softplus(real), F.softplus(fake)

    def loss(real, fake, label=label):
        return 0.5 * sum(part.mean() for part in parts(real, fake, label))

    want = loss(real, fake)
    on_real, on_made = parts(real, fake)
    softened = label * F.softplus(fake) + (1 - label) * F.softplus(-fake)
    mistakes = {
        "that is equation (4): the label plays no part.": loss(real, fake, 1.0),
        "the factor ½ of equation (4) is missing.": 2 * want,
        "the made pictures' label is softened too; it stays 0.": 0.5 * (on_real.mean() + softened.mean()),
        "the label is on the made pictures; it belongs to the real ones.":
            0.5 * (F.softplus(-real).mean() + softened.mean()),
        "what is missing from the label, 1 − label, counts as well: for it the real picture is taken for made.": (
            0.5 * (label * F.softplus(-real).mean() + on_made.mean()), label * loss(real, fake, 1.0),
        ),
        "the label and 1 − label have changed places.": loss(real, fake, 1 - label),
        "the label weighs the losses, it does not scale the logit.":
            0.5 * (F.softplus(-label * real).mean() + on_made.mean()),
        "each half is a mean over its own batch; the two batches differ in size.": (
            0.5 * (on_real.sum() + on_made.sum()), (on_real.sum() + on_made.sum()) / 19,
            0.5 * (on_real.sum() + on_made.sum()) / 19, 0.5 * (on_real.sum() + on_made.sum()) / 7,
        ),
        "the signs are turned: softplus(−ℓ) is the loss of a real picture.": loss(-real, -fake),
        "real and made pictures have changed places.": loss(fake, real),
    }  # fmt: skip
    expect(smoothed(real, fake, label), want, "the loss", mistakes)
    far = torch.tensor([250.0, -300.0]), torch.tensor([-400.0, 150.0, 220.0])
    odds = [torch.sigmoid(logits) for logits in far]
    cut = [F.binary_cross_entropy(p, torch.full_like(p, t)) for p, t in zip(odds, (label, 0.0), strict=True)]
    late = "for logits in the hundreds it is wrong: never take the sigmoid first and its logarithm afterwards (2.1)."
    lost = [*(torch.tensor(x) for x in (torch.nan, torch.inf, -torch.inf)), 0.5 * sum(cut)]
    got = tensor_of(smoothed(*far, label), "the loss for logits in the hundreds")
    expect(got, loss(*far), "the loss for logits in the hundreds", {late: lost})


def check_averages(answers: Answers, g: torch.Generator) -> None:
    """`averages(values, decay)`, (T, n) and a number from 0 to 1 → (T, n)."""
    averages = answers["averages"]
    values = 3 + torch.randn(9, 4, generator=g, dtype=torch.float64)
    decay = 0.7 + 0.2 * torch.rand((), generator=g).item()
    t = torch.arange(1, 10, dtype=torch.float64)[:, None]

    def run(values=values, decay=decay, first=None, back=lambda m, t: m, warm=False):
        mean, rows = torch.zeros_like(values[0]) if first is None else first, []
        for k, value in enumerate(values):
            d = min(decay, (1 + k) / (10 + k)) if warm else decay
            mean = back(d * mean + (1 - d) * value, k + 1)
            rows.append(mean)
        return torch.stack(rows)

    raw = run()
    want = raw / (1 - decay**t)
    mistakes = {
        "the correction is missing: the first rows are drawn towards 0.": raw,
        "it starts at the first value; it has to start at 0 and be corrected.":
            (run(first=values[0]), run(warm=True, first=values[0])),
        "it starts at the first value *and* is corrected; start at 0.": run(first=values[0]) / (1 - decay**t),
        "the power is off by one: after the first value it is 1, so that the first row is the first value.":
            (raw / (1 - decay ** (t - 1)), raw / (1 - decay ** (t + 1))),
        "decay and 1 − decay have changed places.":
            [run(decay=1 - decay) / part for part in (1 - (1 - decay) ** t, 1, 1 - decay**t)],
        "it is multiplied by 1 − decay^t; divide.": raw * (1 - decay**t),
        "the divisor is the same in every row; the power grows with t.":
            (raw / (1 - decay), raw / (1 - decay ** len(values))),
        "the corrected value is carried on; carry on the plain one, and correct a copy.":
            run(back=lambda m, t: m / (1 - decay**t)),
        "that is the plain mean of all values so far; older ones have to fade.": values.cumsum(0) / t,
        "a row after each value is wanted, (T, n); only the last is there.": want[-1],
        "all rows are one tensor, which later steps change in place; keep a copy of each.":
            (raw[-1].expand_as(raw), raw[-1] / (1 - decay**t)),
    }  # fmt: skip
    expect(averages(values, decay), want, "what `averages` returns", mistakes)
    still = values[:1].expand(5, -1).clone()
    expect(averages(still, decay), still, "what `averages` returns for values that do not change")


RUNS = {"A": "test-trains", "B": "sigmoid", "C": "by-heart", "D": "average"}
RUN_WORDS = ("by-heart", "test-trains", "sigmoid", "average", "still")
RUN_REASONS = {
    ("A", ""): "it is right on all test pictures, the others on little more than half: how can it know them?",
    ("A", "by-heart"): "who learns training pictures by heart does not know other ones; this one knows them all.",
    ("B", ""): "its losses hardly leave log 2, even where it is right: what keeps the loss of a made picture at log 2?",
    ("B", "still"): "a network that never moves has flat curves; its training pictures are judged better and better.",
    ("C", ""): "its loss on training pictures falls to 0, on test pictures it rises; no number of it is impossible.",
    ("D", ""): "look at the first epoch: half of the test pictures are judged right. What must the loss be there?",
    ("D", "by-heart"): "a judge that knows nothing has a loss of about log 2; this one begins at a sixtieth of that.",
    ("D", "test-trains"): "then it would be right on its test pictures, as A is; it is right on half of them.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "A judge that may be unsure", 1, 10, check_smoothed,
        hints="""
        Equation (4) is a cross-entropy with the labels 1 and 0. Write the cross-entropy for a label in between.

        A real picture counts as real with weight `label` and as made with weight 1 − label: softplus(−ℓ) and
        softplus(ℓ). Made pictures stay as they are.

        on_real = label * F.softplus(-real) + (1 - label) * F.softplus(real); half of on_real.mean() +
        F.softplus(fake).mean().
        """,
    ),
    Exercise(
        2, "A batch in pieces", 2, 15, check_pieces,
        hints="""
        Gradients add up in `.grad` as long as nobody clears them. That is a fault in 3.2, and a tool here.

        The mean over all pictures is a sum of the pieces' means with weights, equation (13). Weigh each piece's loss
        before its `backward`.

        net.zero_grad() once; for each piece: loss = (its mean loss) * len(piece) / len(x), loss.backward(), add
        loss.item() to what is returned.
        """,
    ),
    Exercise(
        3, "An average that knows its age", 2, 15, check_averages,
        hints="""
        Keep two things apart: the plain average, which is carried on, and the corrected one, which is returned.

        After t values the weights (1 − d) d^(t−s) of the values s = 1 … t add up to 1 − d^t.

        mean = torch.zeros_like(values[0]); for t, value in enumerate(values, 1): mean = decay * mean + (1 - decay) *
        value; keep mean / (1 - decay**t). At the end torch.stack.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one epoch", 2, 20, check_epoch,
        hints="""
        Ask of each number what it should be: what goes into the loss, in which mode is the network, what is the sum
        divided by?

        One fault is in front of the loss (2.1), one is something that is never called (3.4), one is in the averages
        (13).

        No sigmoid before `with_logits`; net.train() before training and net.eval() before the test; add len(b) times
        each loss, and divide by the number of pictures.
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        A judge that knows nothing is right on half of the pictures and has a loss of log 2. Which first value does
        not fit?

        Then: who is right on pictures that it has never seen, and can that be? Whose loss stays near log 2 although
        it is right more and more often?

        D's test loss starts at .011 with half of the pictures right: divided by the wrong number. A knows its test
        pictures. B's loss of a made picture cannot get below log 2, since a probability, taken for a logit, is
        positive.
        """,
    ),
    Exercise(
        6, "Design: a test that finds faults", 3, 45, check_sound,
        hints="""
        One experiment for each kind of question: are the two returned numbers right? Do the weights go where they
        should? Are batch norm's averages left alone? Choose networks and sizes for which you know the answer.

        With a learning rate of 0 and no batch norm both losses can be computed by hand, in any order of the pictures;
        take a last batch that is smaller. With one batch an epoch is one step, which you can take yourself; take two
        epochs. `num_batches_tracked` of a BatchNorm1d counts the batches that moved it.

        Values: nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), SGD with lr=0, 8 and 7 pictures in batches of 3.
        Weights: the same network twice, one by `epoch` with size=8, one by two steps of your own; compare. Modes: a
        network with batch norm, two epochs of two batches: num_batches_tracked must be 4.
        """,
    ),
)  # fmt: skip

"""Exercise 2 of chapter 12: by how much one tuned model wins more often than another, with its interval."""

from __future__ import annotations

import torch

from mjcourse.learn.compare import expect, number_of
from mjcourse.learn.exercise import Answers, Wrong

PROMPTS, MOST = 14, 9  # prompts; votes for one prompt
DRAWS = 400  # resamples


def drawn_votes(g: torch.Generator, prompts: int = PROMPTS) -> tuple[torch.Tensor, torch.Tensor]:
    """Return votes (N, 2), 1, ½ or 0, for two models against the base, and the prompt of each row, (N,) int64.

    Prompts differ in how well either model does there and in how many votes they have, from 1 to MOST.
    """
    many = torch.randint(1, MOST + 1, (prompts,), generator=g)
    many[:2] = torch.tensor([1, MOST])
    of = torch.arange(prompts).repeat_interleave(many)
    of = of[torch.randperm(len(of), generator=g)]
    chance = (1.2 * torch.randn(prompts, 1, generator=g) + torch.tensor([1.2, 0.2])).sigmoid()
    chance = (chance + 0.3 * (many[:, None] > MOST / 2)).clamp(max=0.97)  # so that many votes are not like few
    won = (torch.rand(len(of), 2, generator=g) < chance[of]).float()
    return torch.where(torch.rand(len(of), 2, generator=g) < 0.15, 0.5, won), of


def limits(values: torch.Tensor, low: float = 0.025) -> torch.Tensor:
    """Return the middle 1 - 2 `low` of values (draws,): (2,)."""
    return torch.quantile(values.double(), torch.tensor([low, 1 - low]).double())


def check_lead(answers: Answers, g: torch.Generator) -> None:
    """`lead(votes, prompts, picks)`, (N, 2), (N,), (draws, P) → three numbers."""
    answer = answers["lead"]
    votes, prompts = drawn_votes(g)
    picks = torch.randint(PROMPTS, (DRAWS, PROMPTS), generator=g)
    won = (votes[:, 0] - votes[:, 1]).double()
    many = torch.bincount(prompts).double()
    total = torch.bincount(prompts, won)
    drawn = total[picks].sum(1) / many[picks].sum(1)
    once = torch.stack([(picks == p).any(1) for p in range(PROMPTS)], 1).double()  # (draws, P): drawn at all
    each = [torch.bincount(prompts, votes[:, k].double())[picks].sum(1) / many[picks].sum(1) for k in (0, 1)]
    first, second = map(limits, each)
    mean, wrong_mean = won.mean(), (total / many).mean()
    spread = won.std() / len(won) ** 0.5

    said = answer(votes, prompts, picks)
    if type(said) not in (tuple, list) or len(said) != 3:
        raise Wrong(f"three values are wanted, `return lead, low, high`; yours is {type(said).__name__}.")
    got = torch.tensor([number_of(x, "each of the three") for x in said]).double()
    expect(got[0], mean, "the lead", {
        "the lead has the wrong sign: by how much the *first* model wins more often.": -mean,
        "every vote counts the same; yours is the mean over prompts, where a prompt with one vote counts as one with "
        "nine.": wrong_mean,
        "that is the mean over the resamples; the lead itself is that of the votes as they are.":
            (drawn.mean(), (total / many)[picks].mean(1).mean()),
        "ties count ½ and stay; you leave them out.": [
            (votes[:, 0][votes[:, 0] != 0.5].mean() - votes[:, 1][votes[:, 1] != 0.5].mean()).double(),
            won[(votes != 0.5).all(1)].mean(),
        ],
        "that is the first model's win rate, not its lead over the second.": votes[:, 0].double().mean(),
        "a tie counts ½ for either; yours counts as lost, or as won.": [
            ((votes[:, 0] > half).double() - (votes[:, 1] > half).double()).mean() for half in (0.4, 0.6)
        ],
    })  # fmt: skip
    steps = torch.tensor([-1.0, 1.0]).double()
    mistakes = {
        "a resample is of *prompts*: `picks` numbers prompts, and you took rows of `votes`.":
            limits(won[picks].mean(1)),
        "that is an interval over votes, as if they were independent; votes on one prompt are not (section 5).":
            mean + 1.96 * spread * steps,
        "in a resample every vote counts the same; yours is a mean of the prompts' means.":
            limits((total / many)[picks].mean(1)),
        "a prompt that was drawn twice counts twice, with all its votes; yours counts once.":
            limits((once * total).sum(1) / (once * many).sum(1)),
        "a resample is divided by the number of *its* votes, which is another one each time.": (
            limits(total[picks].sum(1) / len(won)), limits(total[picks].mean(1) / many.mean())
        ),
        "the 95 % in the middle go from 2.5 % to 97.5 %.": (
            limits(drawn, 0.05), limits(drawn, 0.16), limits(drawn, 0.005), limits(drawn, 0.1), limits(drawn, 0.25)
        ),
        "each model has been given its own interval and the ends subtracted. Both were judged on the same prompts: "
        "subtract within each resample.": (
            first - second, first - second.flip(0), (first - second).sort().values
        ),
        "that is the interval of the first model's win rate alone.": first,
        "wanted are percentiles of the resamples, not ± 1.96 standard deviations.":
            [middle + 1.96 * drawn.std(correction=c) * steps for middle in (mean, drawn.mean()) for c in (0, 1)],
        "low and high have changed places.": limits(drawn).flip(0),
    }  # fmt: skip
    expect(got[1:], limits(drawn), "(low, high)", mistakes)

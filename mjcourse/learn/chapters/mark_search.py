"""An exercise of chapter 11: find a watermark that was moved, and pay for the many looks."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import torch

from mjcourse.learn.chapters.rendering_inputs import called, numpy_generator
from mjcourse.learn.compare import expect, number_of, pair_of
from mjcourse.learn.exercise import Answers


def correlations(rest: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return the sums of (13) for the signs moved by every (dy, dx) around the edges, (R, C), not yet divided."""
    return np.fft.ifft2(np.fft.fft2(rest) * np.fft.fft2(signs).conj()).real


def check_search(answers: Answers, g: torch.Generator) -> None:
    """`search(rest, signs, alarm)`, (R, C) numbers, (R, C) of ±1, a chance → z (R, C), the threshold."""
    search, rng = answers["search"], numpy_generator(g)
    for rows, columns in ((9, 14), (12, 10)):
        signs = rng.choice((-1.0, 1.0), (rows, columns))
        rest = rng.normal(0.3, 0.8, (rows, columns)).clip(-1.5, 1.5)  # not centred: (13) takes it as it is
        moved = tuple(int(rng.integers(2, n - 2)) for n in (rows, columns))
        rest += 0.8 * np.roll(signs, moved, (0, 1))
        alarm = float(rng.uniform(0.5, 1) * 1e-4)
        looks, length = rows * columns, math.sqrt((rest**2).sum())
        sums = correlations(rest, signs)
        z = sums / length
        centred = correlations(rest - rest.mean(), signs)
        mistakes = {
            "the shift runs the wrong way: z[dy, dx] belongs to signs moved *down* by dy and *right* by dx.":
                (np.roll(z[::-1, ::-1], 1, (0, 1)), np.roll(z[::-1], 1, 0), np.roll(z[:, ::-1], 1, 1)),
            "rows and columns have changed places: z[dy, dx], first the rows.": z.T,
            "that is a convolution; for a correlation one of the two transforms is conjugated.":
                np.fft.ifft2(np.fft.fft2(rest) * np.fft.fft2(signs)).real / length,
            "it is not divided by the root of Σ ρ²; see (13).": (sums, sums / looks),
            "it is divided by Σ ρ²; (13) has the root of it.": sums / length**2,
            "that is a correlation between −1 and 1; z of (13) has deviation 1, so do not divide by √N as well.":
                (z / math.sqrt(looks), centred / (looks * rest.std()), centred / (looks * rest.std() * signs.std())),
            "it is divided by its own deviation over all shifts; (13) has the root of Σ ρ² there.":
                (z / z.std(), (z - z.mean()) / z.std(), z / z.std(ddof=1), (z - z.mean()) / z.std(ddof=1)),
            "the mean of the residue is subtracted; (13) takes the residue as it is.":
                (centred / (rest.std() * math.sqrt(looks)), sums / (rest.std() * math.sqrt(looks)), centred / length),
            "the sign of z is lost; only a large *positive* z is the mark.": (abs(z), z**2),
            "a z for every shift is wanted, (R, C); that is one of them.": (z.max(), z[0, 0]),
            "the rows stay where they are; the mark may have moved down as well.": np.broadcast_to(z[:1], z.shape),
            "the columns stay where they are; the mark may have moved to the right as well.":
                np.broadcast_to(z[:, :1], z.shape),
        }  # fmt: skip
        found, threshold = pair_of(called(search, rest, signs, alarm), "what it returns")
        expect(found, torch.tensor(z), "z", {says: as_tensors(made) for says, made in mistakes.items()})
        check_threshold(threshold, alarm, rows, columns)


def as_tensors(made: np.ndarray | tuple[np.ndarray, ...]) -> tuple[torch.Tensor, ...]:
    """Return one array or several as tensors."""
    return tuple(torch.tensor(np.array(x)) for x in (made if isinstance(made, tuple) else (made,)))


def check_threshold(said: object, alarm: float, rows: int, columns: int) -> None:
    """Check the threshold that a picture without a mark exceeds anywhere with chance `alarm`.

    Raises:
        Wrong: it is another one.
    """
    looks, quantile = rows * columns, NormalDist().inv_cdf
    want = quantile(1 - alarm / looks)
    mistakes = {
        "that is the threshold for a single look; here there are R · C of them.": (quantile(1 - alarm),),
        "the threshold of 4 is for one look, and for another chance of a false alarm.": (4.0,),
        "that counts the shifts of one side only; there are R · C of them.":
            (quantile(1 - alarm / rows), quantile(1 - alarm / columns), quantile(1 - alarm / (rows + columns))),
        "that leaves half of the false alarms to negative z; the mark's z is positive.":
            (quantile(1 - alarm / looks / 2),),
        "that is the lower end; the threshold is the z that almost all lie *below*.":
            (-want, quantile(alarm), -quantile(1 - alarm / looks / 2)),
        "that is a chance, not a z; the normal distribution turns one into the other.":
            (alarm / looks, 1 - alarm / looks, alarm, 1 - alarm),
        "that is a bound, and larger than need be; `NormalDist().inv_cdf` gives the z itself.":
            (math.sqrt(2 * math.log(looks / alarm)), math.sqrt(2 * math.log(looks / alarm / 2))),
        "each look may be wrong *less* often than all together: its share is alarm / (R · C), not alarm · R · C.":
            (quantile(1 - alarm * looks),),
        "more looks raise the threshold, but not by a factor: it is their *chances* that add up.":
            (quantile(1 - alarm) * looks, quantile(1 - alarm) * math.sqrt(looks)),
    }  # fmt: skip
    got = number_of(said, "the threshold")
    made = {says: tuple(map(torch.tensor, values)) for says, values in mistakes.items()}
    expect(got, torch.tensor(want), "the threshold", made, rtol=6e-3)  # float32 is near enough

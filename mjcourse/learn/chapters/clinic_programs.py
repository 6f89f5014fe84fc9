"""The design task of chapter 04: a test that tells sound training programs from broken ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from mjcourse.learn.chapters.clinic_epoch import epoch
from mjcourse.learn.exercise import Answers, Wrong

# What is broken in a program → how the message calls it.
FAULTS = {
    "still": "it never moves the weights",
    "test-steps": "its test steps the optimizer (3.4)",
    "sigmoid": "it gives probabilities to a loss that takes logits (2.1)",
    "twice": "it takes two steps for each batch (3.3)",
    "clear": "it never clears the gradients (3.2)",
    "last": "it leaves out the last, smaller batch",
    "average": "it averages over batches instead of pictures (3.4)",
    "mode": "it never calls eval(), so that its test moves batch norm's running averages (3.4)",
    "asleep": "it never calls train() again, so that from the second epoch on it trains in eval mode",
}


def by_index(net, optimizer, train, test, size):
    """Write the epoch with indices, sums and equation (4); return tensors."""

    def total(x, y):
        logits = net(x)
        return (y * F.softplus(-logits) + (1 - y) * F.softplus(logits)).sum()

    (x, y), (test_x, test_y) = train, test
    net.train()
    trained = torch.zeros(())
    for first in range(0, len(x), size):
        part = slice(first, first + size)
        for parameter in net.parameters():
            parameter.grad = None
        loss = total(x[part], y[part])
        (loss / len(y[part])).backward()
        optimizer.step()
        trained += loss.detach()
    net.train(False)
    with torch.inference_mode():
        tested = sum(total(test_x[i : i + size], test_y[i : i + size]) for i in range(0, len(test_x), size))
    return trained / len(x), tested / len(test_x)


def shuffled(net, optimizer, train, test, size):
    """Visit the pictures in a new order in each epoch."""
    order = torch.randperm(len(train[0]))
    return epoch(net, optimizer, (train[0][order], train[1][order]), test, size)


def tested_at_once(net, optimizer, train, test, size):
    """Test on all pictures in one batch; leave the network ready to train."""
    net.train()
    total = 0.0
    for x, y in zip(*(one.split(size) for one in train), strict=True):
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += len(y) * loss.item()
    net.eval()
    with torch.no_grad():
        tested = F.binary_cross_entropy_with_logits(net(test[0]), test[1]).item()
    net.train()
    return total / len(train[0]), tested


SOUND = {
    "plain": epoch,
    "written with indices, returning tensors": by_index,
    "in a new order each epoch": shuffled,
    "testing in one batch": tested_at_once,
}


def programs() -> dict[str, tuple[bool, Callable]]:
    """Return name → (is it sound?, the program), called like the `epoch` of exercise 4."""

    def alike(function):  # so that nothing but what it does tells one from another
        return lambda net, optimizer, train, test, size: function(net, optimizer, train, test, size)

    made = {name: (True, alike(function)) for name, function in SOUND.items()}
    return made | {name: (False, alike(partial(epoch, faults=(name,)))) for name in FAULTS}


def check_sound(answers: Answers, g: torch.Generator) -> None:
    """`is_sound(epoch)` → True or False."""
    is_sound = answers["is_sound"]
    made = list(programs().items())
    said = {}
    for k in torch.randperm(len(made), generator=g).tolist():  # so that no list of answers can be prepared
        name, (_, program) = made[k]
        said[name] = is_sound(program)
        if type(said[name]) is not bool:
            raise Wrong(f"`is_sound` must return True or False, not {type(said[name]).__name__}.")
    if len(set(said.values())) == 1:
        raise Wrong(f"it says {next(iter(said.values()))} to every program.")
    if all(said[name] != sound for name, (sound, _) in made):
        raise Wrong("it says the reverse: True is for a sound program.")
    for name in SOUND:
        if not said[name]:
            raise Wrong(f"it refuses a sound program ({name}): ask only for what every sound program must do.")
    passed = [name for name in FAULTS if said[name]]
    if passed:
        found = f"{len(FAULTS) - len(passed)} of {len(FAULTS)} broken programs are found"
        raise Wrong(f"{found}. One that passes: {FAULTS[passed[0]]}.")

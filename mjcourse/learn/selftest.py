"""The self-test of chapter 00: say what a line of PyTorch gives before it is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """An expression whose value the learner predicts; `where` says where to brush up."""

    code: str
    where: str

    def value(self) -> object:
        """Return what the expression gives, as plain Python."""
        import torch

        value = eval(self.code, {"torch": torch})
        return tuple(value) if isinstance(value, torch.Size) else value


_GRADIENT = "(lambda x: torch.autograd.grad((x**2).sum(), x)[0].tolist())(torch.tensor([1.0, 3.0], requires_grad=True))"
QUESTIONS = (
    Question("(torch.ones(8, 3) @ torch.ones(3, 5)).shape", "matrix products and shapes"),
    Question("(torch.zeros(4, 1, 6) + torch.zeros(5, 1)).shape", "broadcasting"),
    Question("torch.arange(12).view(3, 4)[1, 2].item()", "view and indexing"),
    Question("torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)(torch.zeros(2, 3, 64, 64)).shape", "convolutions"),
    Question(_GRADIENT, "automatic differentiation"),
    Question("torch.tensor([0.0, 0.0]).softmax(0).tolist()", "softmax"),
)


def self_test(answers: dict[int, object]) -> int:
    """Compare predictions with what PyTorch gives, print a line a question, return how many are right.

    Args:
        answers: question number (from 1) → predicted value; None for not attempted.
    """
    right = 0
    for number, question in enumerate(QUESTIONS, 1):
        said = answers.get(number)
        if said is None:
            print(f"  {number}. not attempted")
            continue
        value = question.value()
        said = list(said) if isinstance(value, list) and isinstance(said, tuple) else said
        said = tuple(said) if isinstance(value, tuple) and isinstance(said, list) else said
        if type(said) in (int, float, tuple, list) and said == value:
            right += 1
            print(f"✓ {number}. right: {value}")
        else:
            print(f"✗ {number}. you said {said!r}, PyTorch says {value}: look up {question.where}")
    print(f"{right} of {len(QUESTIONS)} right.")
    return right

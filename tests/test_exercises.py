"""The checks of the exercises are tested like code: each answer of the corpus gets its verdict, no constant passes."""

from __future__ import annotations

import time
from importlib import import_module

import numpy as np
import pytest
import torch
from exercise_corpus import CHAPTERS, answer_name, corpus, given_names, right_names, verdict
from hypothesis import given
from hypothesis import strategies as st
from machine import slower, yardstick

from mjcourse.learn import chapters, coach, compare, reference
from mjcourse.learn.exercise import NOT_ATTEMPTED, RIGHT, WRONG, Answer, Answers, NotAttempted, Wrong, judge

SEEDS = (1, 2, 3, coach.GRADING_SEED)  # a verdict must not depend on luck
CASE_SECONDS = 0.5  # of a core, on the machine of `machine.REFERENCE_SECONDS`

chapter = pytest.mark.parametrize("chapter", CHAPTERS)


# ---- the corpus ----------------------------------------------------------------------------------


def cases() -> list:
    """Return every case of every chapter: blank, reference, wrong and accepted answers."""
    found = []
    for name in CHAPTERS:
        wanted = corpus(name)
        for one in chapters.exercises(name):
            n = one.number
            blank = reference.answer(reference.notebook(name, "exercises"), n)
            rows = [("blank", blank, NOT_ATTEMPTED, "NotImplementedError")]
            rows += [("reference", reference.solution(name, n), RIGHT, "")]
            rows += [(f"wrong: {case['name']}", case["code"], WRONG, case["says"]) for case in wanted[n]["wrong"]]
            rows += [(f"accepted: {case['name']}", case["code"], RIGHT, "") for case in wanted[n]["accepted"]]
            found += [pytest.param(name, n, *row[1:], id=f"{name}-{n}-{row[0]}") for row in rows]
    return found


@pytest.mark.parametrize(("name", "number", "code", "state", "says"), cases())
def test_each_answer_gets_its_verdict(name, number, code, state, says):
    given_names(name)
    seconds = []
    for seed in SEEDS:
        start = time.process_time()
        found = verdict(name, number, code, seed)
        seconds.append(time.process_time() - start)
        assert found.state == state, found.message
        assert says in found.message
        assert "\n" not in found.message and len(found.message) < 400
    assert min(seconds) <= CASE_SECONDS * (slower([yardstick()]) if min(seconds) > CASE_SECONDS else 1)


@chapter
def test_the_corpus_is_large_enough(chapter, capsys):
    wanted, counted = corpus(chapter), {"wrong": 0, "accepted": 0}
    assert sorted(wanted) == [one.number for one in chapters.exercises(chapter)]
    for number, found in wanted.items():
        assert len(found["wrong"]) >= 5 and len(found["accepted"]) >= 2, f"exercise {number}"
        messages = [case["says"] for case in found["wrong"]]
        assert len(set(messages)) >= 5, f"exercise {number}: a message for each mistake"
        for key in counted:
            counted[key] += len(found[key])
            names = [case["name"] for case in found[key]]
            assert len(set(names)) == len(names)
    with capsys.disabled():
        print(
            f"\n{chapter}: {len(wanted)} exercises, each blank, by its reference, by {counted['wrong']} wrong answers "
            f"with a message for each, by {counted['accepted']} other right ones"
        )


# ---- what no check may accept --------------------------------------------------------------------


class Agreeable:
    """Equals everything, is smaller, larger, a number, and the result of every sum."""

    def __eq__(self, other):
        return True

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    __hash__ = object.__hash__

    def __float__(self):
        return 0.0

    def _self(self, *args, **named):
        return self

    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __abs__ = __getitem__ = __call__ = _self
    shape = ()

    def __len__(self):
        return 2

    def __iter__(self):
        return iter((self, self))


class AgreeableTensor(torch.Tensor):
    """A tensor whose comparisons always say yes."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in (torch.allclose, torch.equal, torch.Tensor.__eq__, torch.Tensor.eq):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})


CONSTANTS = (
    None, 0, 1, -1.0, True, float("nan"), float("inf"), "healthy", b"", [], (), {}, {"A": "healthy"}, (0.0, 0.0),
    np.zeros(3), np.array(["a"]), np.float64(0), torch.zeros(()), torch.ones(1), torch.zeros(5), torch.zeros(5, 7),
    torch.zeros(0), torch.zeros(2, 0), torch.ones(5, dtype=torch.bool), torch.ones(5, dtype=torch.complex64),
    torch.full((5,), torch.nan), torch.zeros(3, requires_grad=True), torch.ones(3).to_sparse(), object(), Exception,
    Agreeable(), torch.ones(5).as_subclass(AgreeableTensor), (Agreeable(), Agreeable()), {"A": Agreeable()},
    dict.fromkeys("ABCD", Agreeable()), lambda *args: None, lambda *args: Agreeable(), range(4), 10**400,
)  # fmt: skip


class Remembering:
    """Calls a right answer and remembers what it returned, or only repeats that."""

    def __init__(self, function):
        self.function, self.kept = function, []

    def __call__(self, *inputs, **named):
        self.kept.append(self.function(*inputs, **named))
        return self.kept[-1]

    def repeated(self):
        again = iter(self.kept)
        return lambda *inputs, **named: next(again)


@chapter
def test_a_remembered_answer_does_not_pass_on_new_inputs(chapter):
    for one in chapters.exercises(chapter):
        function = answer_name(chapter, one.number)
        if function == "diagnosis":
            continue  # a question has one answer
        good = Remembering(right_names(chapter, one.number)[function])
        assert judge(one, {function: good}, 1).state == RIGHT
        assert judge(one, {function: good.repeated()}, 2).state == WRONG


@chapter
def test_right_answers_are_right_at_many_seeds(chapter):
    for one in chapters.exercises(chapter):
        code = reference.solution(chapter, one.number)
        for seed in range(100, 112):
            assert verdict(chapter, one.number, code, seed).state == RIGHT, f"exercise {one.number}, seed {seed}"


@chapter
def test_what_a_notebook_changes_for_all_does_not_matter(chapter):
    try:
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        for one in chapters.exercises(chapter)[:4]:
            assert verdict(chapter, one.number, reference.solution(chapter, one.number)).state == RIGHT
        assert torch.get_default_dtype() == torch.float64 and not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


# ---- answers -------------------------------------------------------------------------------------


def test_a_missing_name_is_not_attempted_and_no_function_is_wrong():
    with pytest.raises(NotAttempted, match="there is no `f` yet"):
        Answers({})["f"]
    with pytest.raises(Wrong, match="no function any more"):
        Answers({"f": 3})["f"]


@pytest.mark.parametrize("error", [ValueError("one\ntwo"), SystemExit(3), RecursionError(), KeyError("x")])
def test_what_an_answer_raises_becomes_one_line(error):
    def f():
        raise error

    with pytest.raises(Wrong) as caught:
        Answer("f", f)()
    assert type(error).__name__ in str(caught.value) and "\n" not in str(caught.value)
    assert f"line {f.__code__.co_firstlineno + 1}" in str(caught.value)


def test_an_interrupt_goes_through():
    def f():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Answer("f", f)()


def test_a_changed_input_is_found():
    with pytest.raises(Wrong, match="changes a tensor"):
        Answer("f", lambda x: x.add_(1))(torch.zeros(3))
    assert Answer("f", lambda x: x.add_(1))(torch.zeros(3), frozen=False).tolist() == [1, 1, 1]
    assert Answer("f", lambda x: x + 1)(torch.full((2,), torch.nan)).isnan().all()


# ---- comparing -----------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=6))
def test_every_kind_of_number_is_read_alike(values):
    want = torch.tensor(values, dtype=torch.float32)
    for made in (want, want.double(), want.numpy(), np.array(values), torch.nn.Parameter(want)):
        compare.expect(made, want, "it")
    with pytest.raises(Wrong, match="it must be a tensor or a number, not list"):
        compare.expect(values, want, "it")


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), lambda x: st.lists(x) | st.tuples(x)))
def test_no_value_gets_past_the_readers_but_as_a_plain_tensor(value):
    try:
        got = compare.tensor_of(value, "it")
    except Wrong:
        return
    assert type(got) is torch.Tensor and got.dtype == torch.float64 and type(value) in (int, float)


def test_a_mistake_is_told_from_other_differences():
    want, says = torch.tensor([1.0, 2.0]), {"doubled": torch.tensor([2.0, 4.0]), "shorter": lambda: want[:1]}
    for value, message in (
        ([2.0, 4.0], "doubled"), ([1.0], "shorter"), ([1.0, 2.0, 3.0], r"must have shape \(2,\); yours has \(3,\)"),
        ([1.0, 9.0], "it is 9 where the reference gives 2"), ([float("nan"), 2.0], "holds nan"),
    ):  # fmt: skip
        with pytest.raises(Wrong, match=message):
            compare.expect(torch.tensor(value), want, "it", says)


@given(st.floats(0, 2), st.sampled_from((0.48, 0.57, 0.73, 0.9)))
def test_a_score_that_has_missed_its_limit_reads_so(score, limit):
    if score != limit:
        said = float(compare.missed(score, limit))
        assert (said > limit) == (score > limit) and abs(said - score) <= 1.001e-3
    assert (compare.missed(0.9004, 0.9), compare.missed(0.7296, 0.73)) == ("0.901", "0.729")
    assert compare.missed(48.01, 48.0, 1) == "48.1"


def test_every_wrong_choice_has_a_reason():
    for name in CHAPTERS:
        module = import_module(f"mjcourse.learn.chapters.ch{name}")
        for thing, right in module.RUNS.items():
            assert right in module.RUN_WORDS and (thing, "") in module.RUN_REASONS
            assert (thing, right) not in module.RUN_REASONS

"""The design task of chapter 13: suggest the next word, so that a prompt takes fewer keys."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import numpy as np
import torch

from mjcourse.data.captions import caption
from mjcourse.data.scenes import random_scene
from mjcourse.learn.compare import missed
from mjcourse.learn.exercise import Answer, Answers, Wrong

KNOWN, NEXT = 300, 60  # prompts of a person that are known; prompts that they type next
GOOD = 0.48  # of the keys without suggestions, the most that is allowed

Suggest = Callable[[str], str]


def drawn_prompts(g: torch.Generator) -> tuple[list[str], list[str]]:
    """Return a person's known prompts and those that they type next, in an alphabet that is drawn anew each time.

    They are the course's captions in small letters, without commas and full stops; each letter stands for another.
    """
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    letters = string.ascii_lowercase
    other = str.maketrans(letters, "".join(letters[k] for k in rng.permutation(len(letters))))
    texts = (caption(random_scene(rng), "en", rng).text for _ in range(KNOWN + NEXT))
    prompts = [" ".join(re.findall(r"[a-z-]+", text.lower())).translate(other) for text in texts]
    return prompts[:KNOWN], prompts[KNOWN:]


def keys(prompt: str, suggest: Suggest) -> int:
    """Return how many keys a prompt takes with suggestions, each of its words with the space after it.

    Before each letter the person looks at ``suggest(typed)``, `typed` being all up to here. If it is their word, they
    take it, space and all, by one key; else they type the letter. After the last letter the space is a key as well.
    """
    typed, count = "", 0
    for word in prompt.split():
        letters = 0
        while letters < len(word) and suggest(typed + word[:letters]) != word:
            letters += 1
        typed, count = f"{typed}{word} ", count + letters + 1
    return count


def share_of_keys(prompts: list[str], suggest: Suggest) -> float:
    """Return the keys that prompts take, as a share of those that they take without suggestions."""
    return sum(keys(prompt, suggest) for prompt in prompts) / sum(len(prompt) + 1 for prompt in prompts)


def check_suggester(answers: Answers, g: torch.Generator) -> None:
    """`suggester(known)`, a list of prompts → ``suggest(typed)`` → a whole word."""
    known, after = drawn_prompts(g)
    made = answers["suggester"](list(known))
    if not callable(made):
        raise Wrong("`suggester` must return a function, `return suggest`; yours returns no function.")
    answer, looks = Answer("suggest", made), {}

    def suggest(typed):
        if typed not in looks:
            said = answer(typed)
            if type(said) is not str:
                got = "None" if said is None else f"a {type(said).__name__}"
                raise Wrong(f'suggest must return one word, as text, or "" for none; yours returns {got}.')
            looks[typed] = said
        return looks[typed]

    score = share_of_keys(after, suggest)
    if score <= GOOD:
        return
    told = f"{missed(100 * score, 100 * GOOD, 1)}% of the keys, wanted {GOOD:.0%} or less"
    raise Wrong(f"{_reason(looks, known, suggest, score)} ({told}).")


def _reason(looks: dict[str, str], known: list[str], suggest: Suggest, score: float) -> str:
    """Return what is most wrong with suggestions: typed → word."""
    words = {word for prompt in known for word in prompt.split()}
    rows = [(typed, *typed.rpartition(" ")[::2], said) for typed, said in looks.items()]  # all, before, begun, said
    said_any = [row for row in rows if row[3]]
    if not said_any:
        return "nothing is ever suggested"

    def most(which, of):
        return sum(map(which, of)) > 0.5 * len(of)

    if most(lambda row: row[3] != row[3].strip() or " " in row[3], said_any):
        return "one word is wanted, without spaces"
    begun = [row for row in said_any if row[2]]
    if begun and most(lambda row: row[3] not in words and row[2] + row[3] in words, begun):
        return "return the whole word, not only the letters that are missing"
    if begun and most(lambda row: not row[3].startswith(row[2]), begun):
        return "most suggestions do not begin with the letters that were typed already"
    if most(lambda row: row[3] == row[2], begun or said_any):
        return "what is suggested is what stands there already"
    if most(lambda row: row[3] not in words, said_any):
        return "most suggestions are none of the person's words"
    first = [row for row in rows if not row[2]]
    if most(lambda row: not row[3], first):
        return "before the first letter of a word nothing is suggested; one look there may save the whole word"
    open_ends = [row for row in rows if row[2] and any(w.startswith(row[2]) for w in words)]
    if open_ends and sum(not row[3] for row in open_ends) > 0.1 * len(open_ends):
        return "often nothing is suggested though a known word begins so: have something to fall back on"
    if len({row[3] for row in first}) == 1:
        return "before the first letter it is always the same word: look at the word before, too"
    own = share_of_keys(known[:NEXT], suggest)
    if own < 0.75 * score:
        return f"it knows its prompts by heart, {own:.1%} there, and new ones less well"
    return "the words that usually come after the one before are not used well"

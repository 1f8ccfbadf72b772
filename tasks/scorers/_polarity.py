"""What an answer says when the question wants yes or no."""

from __future__ import annotations

import re

_YES = frozenset(("yes", "yeah", "yep", "yup", "yea", "true", "correct", "affirmative"))
_NO = frozenset(("no", "nope", "nah", "false", "incorrect", "untrue"))
_ADJECTIVES = frozenset(("true", "correct", "false", "incorrect", "untrue", "affirmative"))
# "true that ...", "correct because ..." decide; "the correct answer", "a false positive" do not.
_AFTER_ADJECTIVE = frozenset(
    ("that", "because", "since", "as", "and", "but", "or", "for", "in", "here", "yes", "no")
)
_NEGATIONS = frozenset(("not", "never", "cannot", "isnt", "wasnt", "arent", "doesnt", "dont"))
# A negation reaches over a few words: "not entirely correct", "not at all true".
_REACH = 4
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[^\w\s]|_|\n")
_JOINS = frozenset(("and", "or", "but", "yes", "no", "nor", "wait", "sorry", "actually"))


def polarity(text: str) -> str | None:
    """Read yes or no from an answer by whole words.

    The first decisive word counts ("true", "not correct", "no evidence of ..."). If a later one
    says the opposite the answer contradicts itself. After a decisive word, `no` before a noun
    ("yes, there is no fracture") describes a finding and contradicts nothing.

    Returns:
        `yes`, `no`, `both` for an answer that contradicts itself, or None if it says neither.
    """
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    said: str | None = None
    for position, word in enumerate(words):
        if word in _ADJECTIVES and _describes(words, position):
            continue
        if word in _YES or word in _NO:
            if said is not None and word == "no" and _is_determiner(words, position):
                continue
            positive = (word in _YES) != _is_negated(words, position)
            now = "yes" if positive else "no"
            if said is not None and now != said:
                return "both"
            said = now
    return said


def _describes(words: list[str], position: int) -> bool:
    following = words[position + 1] if position + 1 < len(words) else ""
    return following[:1].isalnum() and following not in _AFTER_ADJECTIVE


def _is_determiner(words: list[str], position: int) -> bool:
    following = words[position + 1] if position + 1 < len(words) else ""
    return following[:1].isalnum() and following not in _JOINS


def _is_negated(words: list[str], position: int) -> bool:
    if words[position] == "no":
        return False
    before = words[max(0, position - _REACH) : position]
    for word in reversed(before):
        if not word[0].isalnum():
            return False
        if word.endswith("n't") or word in _NEGATIONS:
            return True
    return False

"""What a typed answer means: which choice of a request, or which answer to a question. Nothing is chosen by default."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from remora.core.approval.request import Choice, mildest_refusal

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+")
_YES: Final = ("y", "yes")
_NO: Final = ("n", "no")
_ONCE: Final = ("accept", "approved")
_LETTERED: Final = (*_ONCE, "acceptForSession", "approved_for_session", "answer")
"""Grants that a letter may choose; what is stored for good, or is not known to us, only its number chooses."""


def choice_keys(choices: Sequence[Choice]) -> list[tuple[str, ...]]:
    """What may be typed for each choice: its number, and a letter of its name that no earlier choice has."""
    taken: set[str] = {*_YES, *_NO}
    keys: list[tuple[str, ...]] = []
    for number, choice in enumerate(choices, start=1):
        words = [word.lower() for word in _WORDS.findall(choice.name)] or [choice.name.lower()]
        letter = next((word[0] for word in (words[0], words[-1]) if word[0] not in taken), None)
        if choice.grants and choice.name not in _LETTERED:
            letter = None
        taken |= {letter} if letter else set()
        keys.append((str(number), letter) if letter else (str(number),))
    return keys


def chosen_by(typed: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that was typed; `None`: nothing that counts.

    Yes is never more than this once, and no is the mildest refusal on offer.
    """
    word = typed.strip().lower()
    if word in _YES:
        return next((choice for choice in choices if choice.grants and choice.name in _ONCE), None)
    if word in _NO:
        return mildest_refusal(choices)
    offered = zip(choices, choice_keys(choices), strict=True)
    return next((choice for choice, accepted in offered if word in accepted), None)


def answer_to(question: Mapping[str, Any], word: str, labels: Sequence[str]) -> str | None:
    """The answer that `word` gives to a question; `None`: none that could be sent."""
    if not word:
        return "" if question.get("required") is False else None
    if labels:
        if word.isdecimal() and 1 <= int(word) <= len(labels):
            return labels[int(word) - 1]
        return word if word in labels or question.get("isOther") else None
    match question.get("type"):
        case "boolean":
            return word if word.lower() in (*_YES, *_NO, "true", "false") else None
        case "integer":
            return word if re.fullmatch(r"[+-]?\d{1,18}", word, re.ASCII) else None
        case "number":
            return word if re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,18})?", word, re.ASCII) else None
    return word

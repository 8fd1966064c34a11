"""Patterns as OpenSSH has them in its files: ``*`` and ``?``, and lists in which ``!`` rules out."""

import functools
import re
from collections.abc import Iterable


def is_pattern(text: str) -> bool:
    """Whether it stands for many names."""
    return "*" in text or "?" in text


def matches(pattern: str, name: str) -> bool:
    """Whether one pattern stands for all of `name`; case counts."""
    if not is_pattern(pattern):
        return pattern == name
    return _compiled(pattern).fullmatch(name) is not None


def list_matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one pattern fits, and no negated one does."""
    hit = False
    for pattern in patterns:
        if pattern[:1] == "!":
            if matches(pattern[1:], name):
                return False
        else:
            hit = hit or matches(pattern, name)
    return hit


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\*+|\?|[^*?]+", pattern)
    words = [".*" if part[0] == "*" else "." if part == "?" else re.escape(part) for part in parts]
    return re.compile("".join(words), re.DOTALL)

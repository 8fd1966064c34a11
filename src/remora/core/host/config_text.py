"""The lines of an SSH config, taken apart exactly as OpenSSH takes them apart."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SPACE: Final = " \t\r\n"
_PLAIN: Final = re.compile(r"[ \t]*([A-Za-z0-9]+)(?:[ \t]*=[ \t]*|[ \t]+)([^\"'\\#=\s][^\"'\\#]*)")
_BETWEEN: Final = re.compile(r"[ \t]+")
_LONGEST: Final = 30
"""Characters; the longest option has 27."""
_NO_OPTION: Final = "The line does not start with an OpenSSH option."


class ConfigLine(NamedTuple):
    """A keyword in lower case and its arguments, quotes and comment removed; at least one, unless all is comment."""

    number: int
    keyword: str
    arguments: tuple[str, ...]


class BadLine(NamedTuple):
    """A line that is no keyword with arguments. OpenSSH refuses the whole configuration because of it."""

    number: int
    message: str


def read_lines(text: str) -> Iterator[ConfigLine | BadLine]:
    """The lines that say something, in order. Whether a keyword exists is for OpenSSH to judge."""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.partition("\0")[0].rstrip(" \t\r\n\f")
        if not line or line.lstrip(_SPACE)[:1] == "#":
            continue
        plain = _PLAIN.fullmatch(line)
        if plain is not None:
            yield ConfigLine(number, plain[1].lower(), tuple(_BETWEEN.split(plain[2])))
        else:
            read = _read_line(number, line)
            if read is not None:
                yield read


def split_arguments(text: str) -> tuple[str, ...] | None:
    """Words as OpenSSH splits them: quotes of both kinds, its few escapes, ``#`` starts a comment.

    `None` when a quote is never closed.
    """
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
        elif text[position] == "#":
            break
        else:
            word, position = _take_word(text, position)
            if word is None:
                return None
            words.append(word)
    return tuple(words)


def not_an_option(word: str) -> str:
    """What is wrong with a line that begins with `word`. What no option looks like may be a secret, such as a key."""
    return f"{word!r} is not an option of OpenSSH." if _looks_like_option(word) else _NO_OPTION


def _looks_like_option(word: str) -> bool:
    return len(word) <= _LONGEST and word.isascii() and word.isalnum()


def _read_line(number: int, line: str) -> ConfigLine | BadLine | None:
    keyword, rest = _take_keyword(line)
    if keyword == "":
        keyword, rest = _take_keyword(rest)
    if not keyword or keyword.startswith("#"):
        return None
    rest = (rest or "").lstrip(_SPACE)
    if not rest:
        like = _looks_like_option(keyword)
        return BadLine(number, f"No value follows {keyword!r}." if like else _NO_OPTION)
    arguments = split_arguments(rest)
    if arguments is None:
        return BadLine(number, "A quote is not closed.")
    return ConfigLine(number, keyword.lower(), arguments)


def _take_keyword(text: str | None) -> tuple[str | None, str | None]:
    """The first word and what follows it. An equals sign may separate the two, once."""
    if text is None:
        return None, None
    end = next((index for index, character in enumerate(text) if character in f'{_SPACE}"='), None)
    if end is None:
        return text, None
    if text[end] == '"':
        inside, closing, after = text[end + 1 :].partition('"')
        return (text[:end] + inside, after.lstrip(_SPACE)) if closing else (None, None)
    rest = text[end + 1 :].lstrip(_SPACE)
    if text[end] != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_SPACE)
    return text[:end], rest


def _take_word(text: str, position: int) -> tuple[str | None, int]:
    word: list[str] = []
    quote = ""
    while position < len(text):
        character = text[position]
        following = text[position + 1 : position + 2]
        if character == "\\" and following and (following in "'\"\\" or (not quote and following == " ")):
            word.append(following)
            position += 1
        elif not quote and character in " \t":
            break
        elif not quote and character in "'\"":
            quote = character
        elif character == quote:
            quote = ""
        else:
            word.append(character)
        position += 1
    return (None if quote else "".join(word)), position

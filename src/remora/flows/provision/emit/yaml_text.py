"""The little YAML that we write: mappings, lists and scalars, which every reader of YAML takes as they are meant."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_BREAKS: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Text that Ansible must not take for a template."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Text of several lines, written as such. Its lines hold no character that YAML would change."""

    text: str


def yaml_text(value: Any) -> str:
    """`value` as a document, without its ``---``."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _item(f"{indent}{_scalar(key)}:", item, indent + "  ")
    else:
        for item in value:
            if isinstance(item, Mapping) and item:
                first, *rest = _lines(item, indent + "  ")
                yield f"{indent}- {first.lstrip(' ')}"
                yield from rest
            else:
                yield from _item(f"{indent}-", item, indent + "  ")


def _item(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Block):
        yield f"{head} |"
        for line in item.text.removesuffix("\n").split("\n"):
            yield f"{indent}{line}" if line else ""
    elif isinstance(item, Mapping | Sequence) and not isinstance(item, str) and item:
        if isinstance(item, Sequence) and all(isinstance(word, str | int) for word in item):
            yield f"{head} [{', '.join(map(_scalar, item))}]"
        else:
            yield head
            yield from _lines(item, indent)
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, Unsafe):
        return f"!unsafe {_quoted(value.text)}"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    return _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))

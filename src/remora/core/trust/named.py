"""Which files of a repository its configuration names: a script that a hook runs is as much of it as the hook."""

import json
import posixpath
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

_BETWEEN: Final = re.compile(r"[\s\"'`;|&()<>${}\[\]=,:*?]+")
_QUOTED: Final = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_DEEPEST: Final = 16
_LONGEST: Final = 1_000
_MOST_BYTES: Final = 255


def names_in(path: str, content: bytes) -> Iterator[Sequence[str]]:
    """Everything in a file of configuration that may name a file: what belongs together, in its order.

    `path` is that of the file below its ``.codex``. What cannot be parsed is taken as plain text.
    """
    text = content.decode("utf-8", "replace")
    try:
        if path.endswith(".toml"):
            yield from _strings(tomllib.loads(text))
            return
        if path.endswith(".json"):
            yield from _strings(read_json(content))
            return
    except (ValueError, RecursionError):
        pass
    yield [text]
    yield [one or other for one, other in _QUOTED.findall(text)]


def read_json(content: bytes) -> Any:
    """What a JSON document says. Raises `ValueError` for one that says a thing twice, since readers differ in that."""
    return json.loads(content, object_pairs_hook=_once)


def _once(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a member is there twice")
    return found


def paths_named(groups: Iterable[Sequence[str]], bases: Sequence[str]) -> set[str]:
    """Absolute paths that may be meant by `groups` of words, seen from the folders `bases`.

    What a shell puts before a name (``$(git rev-parse --show-toplevel)/run.sh``, ``$HOME/app/run.sh``) is not known
    here, so each end of a path counts as one.
    """
    found: set[str] = set()
    for group in groups:
        places = list(bases)
        before = ""
        for word in (word for text in group for word in _words(text)):
            if before in {"cd", "cwd"}:
                places += [posixpath.join(base, word.strip("/")) for base in bases]
            for name in (*_ends(word), *(_module(word) if before == "-m" else ())):
                found |= {posixpath.normpath(posixpath.join(place, name)) for place in places}
            before = word
    return found - set(bases)


def _strings(value: Any) -> Iterator[Sequence[str]]:
    """The words of each list and of each table, a table's ``cwd`` first."""
    if isinstance(value, str):
        yield [value]
    elif isinstance(value, Mapping):
        folder = value.get("cwd")
        before = ["cwd", folder] if isinstance(folder, str) else []
        yield [*before, *_flat(value.values())]
        for each in value.values():
            if not isinstance(each, str):
                yield from _strings(each)
    elif isinstance(value, list):
        yield _flat(value)
        for each in value:
            if not isinstance(each, str):
                yield from _strings(each)


def _flat(values: Iterable[Any]) -> list[str]:
    """The strings among `values`, and in lists among them."""
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found += [each for each in value if isinstance(each, str)]
    return found


def _words(text: str) -> Iterator[str]:
    """The text itself, its words as a shell reads them, and what stands between signs."""
    seen: set[str] = set()
    try:
        quoted = shlex.split(text)
    except ValueError:
        quoted = []
    for word in (text, *quoted, *_BETWEEN.split(text)):
        if 0 < len(word) <= _LONGEST and word not in seen and _has_bytes(word):
            seen.add(word)
            yield word


def _has_bytes(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ends(word: str) -> Iterator[str]:
    parts = [part for part in word.split("/") if part not in {"", "."}]
    if len(parts) > _DEEPEST or any("\0" in part or len(part.encode()) > _MOST_BYTES for part in parts):
        return
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        if not name.endswith(".."):
            yield name


def _module(word: str) -> Iterator[str]:
    """The files that ``python -m WORD`` runs."""
    if _MODULE.fullmatch(word):
        path = word.replace(".", "/")
        yield from (f"{path}.py", f"{path}/__main__.py", f"{path}/__init__.py")

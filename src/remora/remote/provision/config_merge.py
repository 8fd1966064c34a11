"""Puts keys into codex's ``config.toml`` on a host, with nothing but Python: the rest of the file stays as it is.

Standard library only; it stands alone. ``config_merge.py FILE RESULT`` reads a TOML document of wished keys from its
input and writes the merged file to RESULT. Exit 0: RESULT differs from FILE; 3: nothing is to be done; 4: refused, and
standard error says why. The result is read again before it counts, so what it cannot do it refuses.
"""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
from datetime import date, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Path = tuple[str, ...]
    Loads = Callable[[str], dict[str, Any]]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = " \t"


class Refused(Exception):
    """The text says why."""


def load_toml() -> Loads:
    """A function that reads TOML, from the standard library or from what comes with pip."""
    for name in ("tomllib", "tomli", "pip._vendor.tomli"):
        try:
            loads: Loads = importlib.import_module(name).loads
        except ImportError:
            continue
        return loads
    raise Refused("Python 3.11 or newer (or the package tomli) is needed on the host to merge config.toml")


def merge(data: bytes, wish: dict[str, Any], loads: Loads) -> bytes:
    """The bytes of the file with the keys of `wish` in them; `data` itself when it says so already."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"it is not UTF-8 at byte {error.start}; it was not changed") from None
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text[len(mark) :]
    try:
        now = loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"it is not valid TOML, so it was not changed: {error}") from None
    end = "\r\n" if re.search(r"\r\n", text) and not re.search(r"(?<!\r)\n", text) else "\n"
    merged = _with_tables(now, wish)
    if same(now, merged):
        return data
    for path, value in list(_leaves(now, wish, ())):
        text = _set(text, path, value, end)
    try:
        if same(loads(text), merged):
            return (mark + text).encode("utf-8")
    except (ValueError, RecursionError):
        pass
    raise Refused("its layout does not allow these keys to be added safely; write them by hand")


def same(one: Any, other: Any) -> bool:
    """Equal in value and in kind: 1, 1.0 and true are three things."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return repr(one) == repr(other)
    return type(one) is type(other) and bool(one == other)


def _with_tables(now: dict[str, Any], wish: dict[str, Any]) -> dict[str, Any]:
    result = dict(now)
    for key, value in wish.items():
        if isinstance(value, dict):
            before = result.get(key)
            result[key] = _with_tables(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


def _leaves(now: dict[str, Any], wish: dict[str, Any], place: Path) -> Iterator[tuple[Path, Any]]:
    """What differs: a path and its value; tables that are not there yet come key by key, too."""
    for key, value in wish.items():
        here = (*place, key)
        before = now.get(key)
        if isinstance(value, dict) and value and (key not in now or isinstance(before, dict)):
            yield from _leaves(before or {}, value, here)
        elif isinstance(value, dict) and isinstance(before, dict):
            continue
        elif key not in now or not same(before, value):
            yield here, value


class Entry:
    """A statement of the file: a header or a key with its value; `start` and `stop` of the value, `end` of the line."""

    def __init__(self, kind: str, path: Path, section: Path, value: int, stop: int, end: int) -> None:
        self.kind = kind
        self.path = path
        self.section = section
        self.value = value
        self.stop = stop
        self.end = end


def scan(text: str) -> list[Entry]:
    """All statements in order. `text` is valid TOML."""
    entries: list[Entry] = []
    section: Path = ()
    inside_array = False
    at = 0
    while True:
        at = _skip_blank(text, at)
        if at >= len(text):
            return entries
        if text[at] == "[":
            twice = text.startswith("[[", at)
            section, stop = _key(text, at + (2 if twice else 1))
            stop += 2 if twice else 1
            kind = "array" if twice else "header"
            inside_array = twice or (inside_array and _below_array(entries, section))
            entries.append(Entry("array" if inside_array else kind, section, section, at, stop, _line_end(text, stop)))
        else:
            path, stop = _key(text, at)
            value = _skip_space(text, stop + 1)
            stop = _value_end(text, value)
            kind = "foreign" if inside_array else "key"
            entries.append(Entry(kind, (*section, *path), section, value, stop, _line_end(text, stop)))
        at = entries[-1].end


def _below_array(entries: list[Entry], path: Path) -> bool:
    arrays = [entry.path for entry in entries if entry.kind == "array"]
    return any(path[: len(array)] == array for array in arrays)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _skip_blank(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "#":
            at = _line_end(text, at)
        elif text[at] in " \t\r\n":
            at += 1
        else:
            break
    return at


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _key(text: str, at: int) -> tuple[Path, int]:
    parts: list[str] = []
    while True:
        at = _skip_space(text, at)
        if text[at] in "\"'":
            stop = _string_end(text, at)
            parts.append(text[at + 1 : stop - 1] if text[at] == "'" else _unescape(text[at:stop]))
        else:
            stop = _bare_end(text, at)
            parts.append(text[at:stop])
        at = _skip_space(text, stop)
        if text[at] != ".":
            return tuple(parts), at
        at += 1


def _bare_end(text: str, at: int) -> int:
    found = _BARE.match(text, at)
    if found is None:
        raise Refused("it has a key that cannot be read")
    return found.end()


def _unescape(quoted: str) -> str:
    def long(found: re.Match[str]) -> str:
        escaped = json.dumps(chr(int(found[2], 16)))[1:-1]
        return found[1] + escaped

    quoted = re.sub(r"(?<!\\)((?:\\\\)*)\\U([0-9A-Fa-f]{8})", long, quoted)
    return str(json.loads(quoted.replace("\t", "\\t")))


def _string_end(text: str, at: int) -> int:
    quote = text[at]
    if text.startswith(quote * 3, at):
        at += 3
        while not text.startswith(quote * 3, at):
            at += 2 if text[at] == "\\" and quote == '"' else 1
        at += 3
        while at < len(text) and text[at] == quote:  # up to two quotes may stand before the end
            at += 1
        return at
    at += 1
    while text[at] != quote:
        at += 2 if text[at] == "\\" and quote == '"' else 1
    return at + 1


def _value_end(text: str, at: int) -> int:
    depth = 0
    last = at
    while at < len(text):
        char = text[at]
        if char in "\"'":
            at = last = _string_end(text, at)
            continue
        if char == "#":
            if depth == 0:
                break
            at = _line_end(text, at)
            continue
        if char == "\n" and depth == 0:
            break
        depth += (char in "[{") - (char in "]}")
        at += 1
        if char not in " \t\r\n":
            last = at
    return last


def _set(text: str, path: Path, value: Any, end: str) -> str:
    entries = scan(text)
    for entry in entries:
        if entry.kind == "key" and entry.path == path:
            return text[: entry.value] + render(value) + text[entry.stop :]
        if entry.kind == "key" and path[: len(entry.path)] == entry.path:
            return _set_inside(text, entry, path, value)
    table = path[:-1]
    line = f"{render_key(path[-1:])} = {render(value)}{end}"
    if not table:
        return _insert(text, _root_end(text, entries), line, end)
    own = [entry for entry in entries if entry.kind in ("header", "key") and entry.section == table]
    if any(entry.kind == "header" for entry in own):
        return _insert(text, own[-1].end, line, end)
    dotted = [
        entry
        for entry in entries
        if entry.kind == "key" and entry.path[: len(table)] == table and len(entry.section) < len(table)
    ]
    if dotted:
        last = dotted[-1]
        key = render_key(path[len(last.section) :])
        return _insert(text, last.end, f"{key} = {render(value)}{end}", end)
    gap = end if text.strip() else ""
    return _insert(text, len(text), f"{gap}[{render_key(table)}]{end}{line}", end)


def _set_inside(text: str, entry: Entry, path: Path, value: Any) -> str:
    """The key lies in an inline table, which is written anew; it cannot hold comments but in arrays: those refuse."""
    written = text[entry.value : entry.stop]
    if "#" in re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'", "", written):
        raise Refused(f"a comment stands in the inline table {render_key(entry.path)}")
    try:
        table = load_toml()("value = " + written)["value"]
    except ValueError:
        raise Refused(f"the inline table {render_key(entry.path)} cannot be read") from None
    inner = table if isinstance(table, dict) else {}
    table = inner
    for key in path[len(entry.path) : -1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    inner[path[-1]] = value
    return text[: entry.value] + render(table) + text[entry.stop :]


def _root_end(text: str, entries: list[Entry]) -> int:
    """Behind the last key before the first header; at the top, behind the comment that stands there, without one."""
    keys = [entry for entry in entries if entry.section == () and entry.kind == "key"]
    if keys:
        return keys[-1].end
    if not entries:
        return len(text)
    found = re.match(r"(?:[ \t]*#[^\n]*\n)+[ \t]*\r?\n", text)
    return found.end() if found else 0


def _insert(text: str, at: int, line: str, end: str) -> str:
    before = text[:at]
    if before and not before.endswith("\n"):
        before += end
    return before + line + text[at:]


def render_key(path: Path) -> str:
    """A dotted key."""
    return ".".join(part if _BARE.fullmatch(part) else render(part) for part in path)


def render(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return repr(value)
        return repr(value) if re.search(r"[.e]", repr(value)) else repr(value) + ".0"
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(render, value))}]"
    if isinstance(value, dict):
        items = (f"{render_key((key,))} = {render(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    raise Refused("a value of the manifest is not a TOML value")


def main(arguments: list[str]) -> int:
    """The program."""
    file, result = arguments
    try:
        loads = load_toml()
        with open(file, "rb") as opened:
            data = opened.read()
        wish = loads(sys.stdin.buffer.read().decode("utf-8"))
        merged = merge(data, wish, loads)
    except (Refused, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 4
    if merged == data:
        return 3
    with open(result, "wb") as opened:
        opened.write(merged)
    count = len(list(_leaves(loads(data.decode("utf-8-sig")), wish, ())))
    sys.stdout.write(f"keys that are written: {count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

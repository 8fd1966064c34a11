"""Merging wished keys into codex's ``config.toml``, whose comments, order and other keys are somebody else's."""

import re
import tomllib
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime, time
from typing import Any, Final

from remora.core.errors import Code, ProvisionProblem

_MARK: Final = "\ufeff"
_LINE_END: Final = re.compile(r"\r?\n")


def merge_config(data: bytes, keys: Mapping[str, Any]) -> bytes:
    """The file `data` with `keys` in it: tables are merged key by key, everything else is replaced.

    What says the same already stays as it is written, and what is not named stays byte for byte; when nothing differs
    the result is `data` itself. It is proven by reading it again. Raises ``step-failed`` when `data` is no valid TOML,
    or is laid out in a way that the keys cannot be put into.
    """
    text = _decode(data)
    now = read_config(data)
    wish = _merged(now, keys)
    if _is_same(now, wish):
        return data
    merged = _write(text.removeprefix(_MARK), keys)
    if not _says(merged, wish):
        raise ProvisionProblem(
            Code.STEP_FAILED,
            "The config.toml on the host has a layout that does not allow these keys to be added safely.",
            seen=", ".join(changed_keys(data, keys)),
            next_step="Write these keys into the file by hand; then provisioning does not change it.",
        )
    return (_MARK * text.startswith(_MARK) + merged).encode()


def changed_keys(data: bytes, keys: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of `keys` the file says otherwise, dotted, in the order wished. Raises as :func:`merge_config`."""
    return tuple(_different(read_config(data), keys, ()))


def read_config(data: bytes) -> dict[str, Any]:
    """What a ``config.toml`` says. Raises ``step-failed`` with the place of the fault."""
    text = _decode(data).removeprefix(_MARK)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number may have no end
        raise _invalid(str(error)) from None


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 at byte {error.start}") from None


def _invalid(seen: str) -> ProvisionProblem:
    return ProvisionProblem(
        Code.STEP_FAILED,
        "The config.toml on the host is not valid TOML, so it was not changed.",
        seen=seen,
        next_step="Correct the file on the host, or move it away, then provision again.",
    )


def _merged(now: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(now)
    for key, value in keys.items():
        before = result.get(key)
        if isinstance(value, Mapping):
            result[key] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def _different(now: Mapping[str, Any], keys: Mapping[str, Any], place: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for key, value in keys.items():
        before = now.get(key)
        here = (*place, key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found += _different(before, value, here)
        elif isinstance(value, Mapping) and value and key not in now:
            found += _different({}, value, here)
        elif key not in now or not _is_same(before, value):
            found.append(".".join(here))
    return found


def _is_same(one: Any, other: Any) -> bool:
    """Equal in value and in kind: TOML's ``1``, ``1.0`` and ``true`` are three things."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return repr(one) == repr(other)
    return _kind(one) is _kind(other) and one == other


def _kind(value: Any) -> type:
    kinds = (bool, int, float, str, datetime, date, time, list, Mapping)
    return next((kind for kind in kinds if isinstance(value, kind)), type(value))


def _write(text: str, keys: Mapping[str, Any]) -> str:
    """`text` with `keys`, by tomlkit; what it cannot do shows when the result is read again."""
    import tomlkit  # only who changes something pays for it
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        _put(document, tomllib.loads(text), keys)
        written = tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return ""
    return _with_line_ends_of(text, written)


def _put(table: MutableMapping[str, Any], now: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
    for key, value in keys.items():
        before = now.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            _put(table[key], before, value)
        elif key not in now or not _is_same(before, value):
            table[key] = value


def _with_line_ends_of(text: str, written: str) -> str:
    """Lines that are new end as the file's lines do."""
    ends = _LINE_END.findall(text)
    if ends and all(end == "\r\n" for end in ends):
        return _LINE_END.sub("\r\n", written)
    return written


def _says(text: str, wish: Mapping[str, Any]) -> bool:
    try:
        return _is_same(tomllib.loads(text), wish)
    except (ValueError, RecursionError):
        return False

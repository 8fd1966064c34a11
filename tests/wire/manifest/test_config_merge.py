"""Keys merged into a config.toml that somebody else wrote."""

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.errors import Code, ProvisionProblem, RemoraError
from remora.wire.manifest.config_merge import changed_keys, merge_config

_FILE = b"""\
# mine, do not touch
model = "gpt-5"   # the good one
approval_policy="on-request"

[model_providers.proxy] # at work
name = 'Proxy'
  base_url = "http://proxy/v1"

[[profiles]]
k=1

[mcp_servers.docs]
command = "docs" # c
args = ["a",
  "b", # two
]
"""


def _says(data: bytes) -> dict[str, Any]:
    return tomllib.loads(data.decode())


def test_what_is_already_said_changes_no_byte() -> None:
    keys = {"model": "gpt-5", "mcp_servers": {"docs": {"args": ["a", "b"]}}, "profiles": [{"k": 1}]}
    assert merge_config(_FILE, keys) is _FILE
    assert changed_keys(_FILE, keys) == ()


def test_one_changed_key_changes_one_line_and_keeps_its_comment() -> None:
    merged = merge_config(_FILE, {"model": "gpt-6"})
    assert merged == _FILE.replace(b'"gpt-5"', b'"gpt-6"')


def test_tables_are_merged_key_by_key() -> None:
    keys = {"model_providers": {"proxy": {"wire_api": "responses"}, "other": {"name": "Other"}}, "new": True}
    merged = merge_config(_FILE, keys)
    said = _says(merged)
    assert said["model_providers"]["proxy"] == {
        "name": "Proxy",
        "base_url": "http://proxy/v1",
        "wire_api": "responses",
    }
    assert said["model_providers"]["other"] == {"name": "Other"}
    assert said["new"] is True
    assert _keeps_lines(_FILE, merged)
    assert changed_keys(_FILE, keys) == ("model_providers.proxy.wire_api", "model_providers.other.name", "new")
    assert merge_config(merged, keys) is merged


@pytest.mark.parametrize(
    ("before", "wish"),
    [
        (b"a = 1\n", {"a": True}),
        (b"a = 1\n", {"a": 1.0}),
        (b"a = true\n", {"a": 1}),
        (b"a = [1]\n", {"a": [True]}),
        (b'a = "1979-05-27"\n', {"a": _says(b"x = 1979-05-27")["x"]}),
    ],
)
def test_values_of_another_kind_are_another_value(before: bytes, wish: Mapping[str, Any]) -> None:
    merged = merge_config(before, wish)
    assert merged != before
    assert repr(_says(merged)) == repr(dict(wish))


def test_line_ends_and_byte_order_mark_stay() -> None:
    before = b"\xef\xbb\xbfmodel = 'a'\r\n[t]\r\n x=1\r\n"
    merged = merge_config(before, {"model": "b", "t": {"y": 2}, "u": {"z": 3}})
    assert merged.startswith(b"\xef\xbb\xbfmodel")
    assert merged.count(b"\n") == merged.count(b"\r\n")
    assert tomllib.loads(merged.decode("utf-8-sig")) == {"model": "b", "t": {"x": 1, "y": 2}, "u": {"z": 3}}


@pytest.mark.parametrize("before", [b"a.b.c=1\nt={x=1} # inline\n", b"[t]\nx = 1\n[a.b]\nc = 1\n[t.u]\nv=1\n", b""])
def test_dotted_keys_inline_tables_and_tables_out_of_order(before: bytes) -> None:
    keys = {"a": {"b": {"d": 2}}, "t": {"x": 9, "w": 3}, "top": "level"}
    merged = merge_config(before, keys)
    said = _says(merged)
    assert said["a"]["b"]["d"] == 2
    assert said["t"]["x"] == 9
    assert said["t"]["w"] == 3
    assert said["top"] == "level"
    assert merge_config(merged, keys) is merged


@pytest.mark.parametrize("broken", [b"a = \n", b"[t\n", b"\xff\xfe", b"a=1\na=2\n", b"a = [" + b"[" * 5000])
def test_a_broken_file_is_refused_with_its_place(broken: bytes) -> None:
    with pytest.raises(RemoraError) as caught:
        merge_config(broken, {"model": "a"})
    assert caught.value.code is Code.STEP_FAILED
    assert "valid TOML" in caught.value.message
    assert caught.value.seen


def _keeps_lines(before: bytes, after: bytes) -> bool:
    """Whether every line of `before` is in `after`, in order."""
    lines = iter(after.splitlines())
    return all(line in lines for line in before.splitlines() if line.strip())


_NAMES = st.sampled_from(["a", "b", "c", "d e", "ü"])
_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3))
_TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(_NAMES, _VALUES, max_size=3),
    lambda inner: st.dictionaries(_NAMES, st.one_of(_VALUES, inner), max_size=3),
    max_leaves=8,
)


def _expected(now: dict[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(now)
    for key, value in keys.items():
        before = merged.get(key)
        merged[key] = _expected(before if isinstance(before, dict) else {}, value) if isinstance(value, dict) else value
    return merged


@given(first=_TABLES, second=_TABLES)
def test_any_keys_merge_into_any_file(first: dict[str, Any], second: dict[str, Any]) -> None:
    written = merge_config(b"# kept\n", first)
    assert _says(written) == _expected({}, first)
    merged = merge_config(written, second)
    assert _says(merged) == _expected(_expected({}, first), second)
    assert merged.startswith(b"# kept\n")
    assert merge_config(merged, second) is merged


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000 + "]" * 5000], ids=["digits", "nesting"])
def test_a_value_without_end_on_the_host_is_no_valid_toml(value: str) -> None:
    with pytest.raises(ProvisionProblem, match="not valid TOML"):
        merge_config(f"a = {value}\n".encode(), {"b": 1})

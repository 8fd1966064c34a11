"""Keys put into config.toml by the program that runs on hosts: the same values as here, and nothing else is touched."""

import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from remora.core.errors import ProvisionProblem
from remora.remote.provision import config_merge
from remora.wire.manifest.config_merge import merge_config

NAMES = st.sampled_from(["a", "b", "model", "c d", "é", 'q"', "x.y"])
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False),
    st.text(max_size=8).filter(lambda text: text.isprintable() or text == "\n"),
    st.just(date(2026, 1, 2)),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
TABLES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(VALUES, inner), max_size=4),
    max_leaves=8,
)


def host_merge(data: bytes, keys: dict[str, Any]) -> bytes:
    merged: bytes = config_merge.merge(data, keys, tomllib.loads)
    return merged


@settings(max_examples=300)
@given(now=TABLES, keys=TABLES)
def test_a_host_merges_to_the_same_values_or_refuses(now: dict[str, Any], keys: dict[str, Any]) -> None:
    text = "# the owner's own words\n" + tomlkit.dumps(now) + "# the end\n"
    data = text.encode()
    try:
        here: bytes | None = merge_config(data, keys)
    except ProvisionProblem:
        here = None
    try:
        there = host_merge(data, keys)
    except config_merge.Refused:
        return
    assert "# the owner's own words" in there.decode()
    assert "# the end" in there.decode()
    if here is not None:
        assert config_merge.same(tomllib.loads(there.decode()), tomllib.loads(here.decode()))
    assert host_merge(there, keys) == there


LAID_OUT = """\
# mine
model = "old" # by me
approval.policy = "never"

[tools] # what it may
web_search = true
list = [
  1, # one
  2,
]
inline = { a = 1, b = "x" }

[[profiles]]
model = "inner"

[mcp."a b"]
command = '''x'''
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"model": "new"}, 'model = "new" # by me'),
        ({"approval": {"mode": 1}}, "approval.mode = 1"),
        ({"tools": {"web_search": False}}, "web_search = false"),
        ({"tools": {"list": [3]}}, "list = [3]"),
        ({"tools": {"inline": {"a": 2}}}, 'inline = {a = 2, b = "x"}'),
        ({"tools": {"more": 1}}, "more = 1"),
        ({"mcp": {"a b": {"args": ["y"]}}}, 'args = ["y"]'),
        ({"fresh": {"deep": {"x": 1.0}}}, "[fresh.deep]"),
        ({"top": True}, "top = true"),
    ],
)
def test_one_line_changes_and_the_others_stay(keys: dict[str, Any], line: str) -> None:
    merged = host_merge(LAID_OUT.encode(), keys).decode()
    assert line in merged.splitlines()
    lost = set(LAID_OUT.splitlines()) - set(merged.splitlines())
    assert len(lost) <= (4 if "list" in line else 1)
    assert tomllib.loads(merged) == tomllib.loads(merge_config(LAID_OUT.encode(), keys).decode())


@pytest.mark.parametrize("data", [b"model =\n", b"\xff\n", b"[[tools]]\nx = 1\n"])
def test_what_it_cannot_do_it_refuses(data: bytes) -> None:
    with pytest.raises(config_merge.Refused):
        host_merge(data, {"tools": {"y": 1}})


def test_as_a_program_it_says_what_came_of_it(tmp_path: Path) -> None:
    file, result = tmp_path / "config.toml", tmp_path / "merged"
    file.write_bytes(b'model = "a"\r\n')
    program = [sys.executable, "-ISc", Path(config_merge.__file__).read_text(), str(file), str(result)]
    wish = b'model = "b"\nother = 1\n'
    done = subprocess.run(program, input=wish, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert result.read_bytes() == b'model = "b"\r\nother = 1\r\n'
    file.write_bytes(result.read_bytes())
    assert subprocess.run(program, input=wish, capture_output=True, check=False).returncode == 3
    file.write_bytes(b"model")
    done = subprocess.run(program, input=wish, capture_output=True, check=False)
    assert (done.returncode, b"not valid TOML" in done.stderr) == (4, True)

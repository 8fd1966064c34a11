"""The YAML that we write is read as it was meant, whatever text stands in it."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from remora.flows.provision.emit.yaml_text import Block, Unsafe, yaml_text

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        ["yes", "No", "null", "1e3", "0644", "- x", "a: b", "#", "~", "!x", "{{ x }}", "a\n", "\u2028", "\x85"]
    ),
)
SCALARS = st.one_of(TEXTS, st.booleans(), st.integers(-9, 9))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=10,
)


@given(st.one_of(st.dictionaries(TEXTS, VALUES, min_size=1), st.lists(st.dictionaries(TEXTS, VALUES), min_size=1)))
def test_what_is_read_is_what_was_meant(value: Any) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


def test_text_that_is_no_template_is_marked() -> None:
    assert yaml_text({"path": Unsafe("{{ x }}")}) == 'path: !unsafe "{{ x }}"\n'


@pytest.mark.parametrize("text", ["one\n\n  two\n", "a: b\n# c\n"])
def test_a_block_keeps_its_lines(text: str) -> None:
    assert yaml.safe_load(yaml_text([{"text": Block(text)}])) == [{"text": text}]

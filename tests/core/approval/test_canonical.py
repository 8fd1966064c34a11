"""The one form of a document: RFC 8785 where that has one, and never two documents with one form."""

from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from remora.core.approval.canonical import canonical_form, canonical_hash, is_deeper

TEXT = st.text(st.characters(exclude_categories=[]), max_size=6) | st.sampled_from(
    ["$number", "$utf16", "$utf16:d800", ""]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "document",
    [
        {"peach": 1, "péché": 2, "pêche": 3, "sin": 4, "\U0001f600": 5, "€": 6, "\r": 7},
        {"numbers": [333333333.33333329, 1e30, 4.50, 6, 2e-3, 1e-27, 2**53 - 1], "literals": [None, True, False]},
        {"empty": {}, "list": [], "text": '\x1b\u2028"\\'},
    ],
)
def test_what_rfc_8785_has_a_form_for_has_that_form(document: Any) -> None:
    assert canonical_form(document) == rfc8785.dumps(document)


def test_what_rfc_8785_has_no_form_for_has_one_of_ours() -> None:
    assert canonical_form(2**53) == b'{"$number":"9007199254740992"}'
    assert canonical_form(-(2**63)) == b'{"$number":"-9223372036854775808"}'
    assert canonical_form(float("inf")) == b'{"$number":"inf"}'
    assert canonical_form("a\ud800") == b'{"$utf16":"0061d800"}'
    assert canonical_form({"\udc00": 1, "$x": 2}) == b'{"$$x":2,"$utf16:dc00":1}'


def test_a_long_text_stands_as_its_hash_and_a_shorter_one_as_itself() -> None:
    assert canonical_form("é" * 1_024) == rfc8785.dumps("é" * 1_024)
    long = "é" * 1_025
    assert canonical_form(long) == b'{"$sha256":"%s"}' % sha256(long.encode()).hexdigest().encode()
    assert canonical_form(long + "\ud800") != canonical_form(long + "\ud801")


def test_a_hash_is_the_sha_256_of_the_form_and_the_order_of_members_does_not_matter() -> None:
    assert canonical_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert canonical_hash({"a": 1, "b": [1, 2]}) == canonical_hash({"b": (1, 2), "a": 1})


@settings(deadline=None)
@given(ANY, ANY)
def test_every_document_has_a_form_and_other_documents_have_another(one: Any, other: Any) -> None:
    same = canonical_form(one) == canonical_form(other)
    assert same == (comparable(one) == comparable(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [(2**53, {"$number": str(2**53)}), ("\ud800", {"$utf16": "d800"}), ({"\ud800": 1}, {"$utf16:d800": 1}), (0, False)],
)
def test_a_document_that_imitates_a_form_of_ours_has_another_form(one: Any, other: Any) -> None:
    assert canonical_form(one) != canonical_form(other)


def comparable(value: Any) -> Any:
    """JSON has one kind of number, in which 1 and 1.0 are the same; Python also takes true for 1."""
    match value:
        case dict():
            return {name: comparable(inner) for name, inner in value.items()}
        case list():
            return [comparable(inner) for inner in value]
        case bool() | None | str():
            return (type(value).__name__, value)
        case int() if abs(value) < 2**53:
            return ("number", float(value))
        case float() if value == value and abs(value) != float("inf"):
            return ("number", value)
    return ("unbounded", str(value))


def test_depth_is_counted_in_objects_and_lists() -> None:
    assert not is_deeper(1, 0)
    assert is_deeper([], 0)
    assert not is_deeper([[1], {"a": (2,)}], 3)
    assert is_deeper([[1], {"a": (2,)}], 2)

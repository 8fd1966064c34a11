"""How a line of an SSH config is taken apart."""

import pytest

from remora.core.host.config_text import BadLine, ConfigLine, read_lines, split_arguments


def _one(text: str) -> ConfigLine | BadLine | None:
    lines = list(read_lines(text))
    assert len(lines) <= 1
    return lines[0] if lines else None


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Host a b", ("a", "b")),
        ("\tHOST\ta \t b  ", ("a", "b")),
        ("Host=x", ("x",)),
        ("Host = x", ("x",)),
        ("Host == x", ("=", "x")),
        ('Host "q1" q2', ("q1", "q2")),
        ('"Host" x', ("x",)),
        ("Host 'a b' c", ("a b", "c")),
        ("Host a\\ b", ("a b",)),
        ('Host "a\\"b" c\\d', ('a"b', "c\\d")),
        ("Host a # b c", ("a",)),
        ("Host a#b", ("a#b",)),
        ("Host a b\r", ("a", "b")),
        ("Host a\f", ("a",)),
        ("Host a\0b c", ("a",)),
        ("Host #", ()),
    ],
)
def test_words_are_split_as_openssh_splits_them(text: str, arguments: tuple[str, ...]) -> None:
    assert _one(text) == ConfigLine(1, "host", arguments)


@pytest.mark.parametrize("text", ["", "   ", "# Host x", "  # 'x", "=", "\r", '"Host x'])
def test_lines_that_say_nothing_are_passed_over(text: str) -> None:
    assert _one(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [("Host", "No value"), ("FooBar  ", "No value"), ('Host "a', "quote"), ("  = foo", "No value")],
)
def test_a_line_that_is_no_keyword_and_value_is_bad(text: str, says: str) -> None:
    line = _one(text)
    assert isinstance(line, BadLine)
    assert says in line.message


def test_lines_are_numbered_from_one_whatever_ends_them() -> None:
    assert [line.number for line in read_lines("# c\r\nHost a\r\n\r\n User b\r\nHost=c")] == [2, 4, 5]


def test_an_open_quote_has_no_words() -> None:
    assert split_arguments("a 'b") is None

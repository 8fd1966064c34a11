"""Characters that pass for others are named; words of other languages are not."""

import pytest

from remora.core.lookalikes import lookalikes
from remora.core.text import neutralise


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("сat x", "CYRILLIC SMALL LETTER ES"),
        ("curl https://exаmple.org", "CYRILLIC SMALL LETTER A"),
        ("сору a b", "CYRILLIC SMALL LETTER ES"),
        ("rm –rf x", "EN DASH"),
        ("rm\u00a0-rf", "NO-BREAK SPACE"),
        ("cat a∕b", "DIVISION SLASH"),
        ("ｒｍ x", "FULLWIDTH LATIN SMALL LETTER R"),
        ("a；b", "FULLWIDTH SEMICOLON"),
    ],
)
def test_a_character_that_passes_for_another_is_named(text: str, name: str) -> None:
    assert any(name in told for told in lookalikes(text))


@pytest.mark.parametrize("text", ["ls -la ~/src && make", "echo Привет мир", "cat naïve.txt", "echo 日本語", "grep Ω"])
def test_words_of_other_languages_pass(text: str) -> None:
    assert lookalikes(text) == []


def test_marks_that_would_be_drawn_over_our_own_text_are_escaped() -> None:
    assert neutralise("\u0336x") == "\\u0336x"
    assert neutralise("a\n\u0336x") == "a\n\\u0336x"
    assert neutralise("e\u0301") == "e\u0301"
    assert neutralise("e" + "\u0301" * 9).count("\\u0301") == 6

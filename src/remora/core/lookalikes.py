"""Characters that pass for others, in what is read by a machine: commands, paths, names of hosts and tools."""

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\s/=:;,'\"|&<>()]+")
_LOOKS_LATIN: Final = frozenset("асеорхуіјѕԁԛԝһӏьꭓɑɡıοαινρτυκΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВСЕНІЈКМОРЅТХУԌԜ")
"""Letters of other scripts that fonts draw like Latin ones."""
_SCRIPTS: Final = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "FULLWIDTH", "MATHEMATICAL")
_DASHES_AND_QUOTES: Final = frozenset("‐‑‒–—―−⁃‘’‚‛“”„‟′″‵‶⁄∕⧸∖⧹∣ǀ։׃∶ꓽ﹕；⁏․‥…∼˜‹›ʼˊˋ´")


def lookalikes(text: str) -> list[str]:
    """The characters of `text` that pass for ASCII, each once, by code point and name."""
    found: dict[str, None] = {}
    for word in _WORD.findall(text):
        letters = [character for character in word if character.isalpha()]
        foreign = [character for character in letters if not character.isascii()]
        if foreign and (len(foreign) < len(letters) or all(map(_looks_latin, foreign))):
            found |= dict.fromkeys(letter for letter in foreign if _of_a_close_script(letter))
    found |= dict.fromkeys(character for character in text if not character.isalpha() and _passes_for_ascii(character))
    return [f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}" for character in found]


def _looks_latin(letter: str) -> bool:
    return letter in _LOOKS_LATIN or _passes_for_ascii(letter)


def _of_a_close_script(letter: str) -> bool:
    return _looks_latin(letter) or unicodedata.name(letter, "").startswith(_SCRIPTS)


def _passes_for_ascii(character: str) -> bool:
    if character.isascii():
        return False
    if character in _DASHES_AND_QUOTES or unicodedata.category(character) == "Zs":
        return True
    plain = unicodedata.normalize("NFKC", character)
    return len(plain) == 1 and plain.isascii()

"""Every sentence that a user can read is plain: no old idiom, and at most two sentences in one message."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "remora"

PROSE = re.compile(r"[A-Za-z]{2}[^\w]{0,3} [^\w\s]{0,3}[A-Za-z{]")
"""Two words with a space between them: a name, a key or a path has none."""

IDIOM = re.compile(
    r"""\b(?:
        (?:is|are|was|were|becomes|become)\ no(?!\ longer)
      | (?:is|are|was)\ none | be\ had
      | goodbye | farewell | anew | (?:of|is|are|not)\ ours | wish(?:es|ed)? | mute | let(?:s|ting)?\ go
      | hung\ up | swallowed | crowd | doors? | the\ usual | (?:bring|brings)\ (?:it\ )?back | in\ order(?!\ to)
      | (?:stand|stands|lie|lies|lay)\ (?:there|open|in\ the\ way) | mend
      | (?:did|does|do)\ not\ tell | nothing\ told | came\ damaged | owed
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)

SENTENCE_END = re.compile(r"(?<!\.\.)[.?!][\"')]?\s+(?=[\"'(]?[A-Z{])")
"""The end of a sentence that is followed by another one."""

REMOTE_MESSAGE = re.compile(
    r"remora_(?:(?:fail|blocked) [\w-]+|(?:same|different|later)|tell (?:\w+\.)?detail) ([\"'].*)"
)
"""What a script on the host says to a person, and what it is called there."""


def parts_of_texts(tree: ast.AST) -> Iterator[int]:
    """What is no text by itself: docstrings, and the parts of an f-string."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as docstring):
                yield id(docstring)
            case ast.JoinedStr():
                yield from (id(part) for value in node.values if isinstance(value, ast.Constant) for part in [value])


def whole(node: ast.AST) -> str | None:
    """The text that `node` is; a value that is put into it is written as ``{}``."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(value.value) if isinstance(value, ast.Constant) else "{}" for value in values)
    return None


def python_messages() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = set(parts_of_texts(tree))
        for node in ast.walk(tree):
            text = whole(node)
            if text is not None and id(node) not in skipped:
                for line in text.splitlines():
                    if PROSE.search(line):
                        yield f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}", line


def remote_messages() -> Iterator[tuple[str, str]]:
    for path in sorted((SOURCE / "remote").rglob("*.sh")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if found := REMOTE_MESSAGE.search(line):
                yield f"{path.relative_to(SOURCE)}:{number}", found[1]


MESSAGES = [*python_messages(), *remote_messages()]


def test_messages_are_found_in_python_and_in_shell_texts() -> None:
    assert len(MESSAGES) > 1000
    assert any(".sh:" in place for place, _ in MESSAGES)


def test_messages_hold_no_old_idiom() -> None:
    assert [f"{place}: {text}" for place, text in MESSAGES if IDIOM.search(text)] == []


def test_messages_have_at_most_two_sentences() -> None:
    assert [f"{place}: {text}" for place, text in MESSAGES if len(SENTENCE_END.findall(text)) > 1] == []

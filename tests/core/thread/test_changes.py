"""Signs and counts of a change: from what is done to the file, whatever its text looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.thread.changes import Mark, read_lines, without_move

HOSTILE_LINES = st.sampled_from(
    [
        "@@ -1,3 +1,2 @@",
        "@@ -0,0 +1,2 @@",
        "-rm -rf x",
        "+harmless",
        " kept",
        "=== update README.md",
        "--- a/x",
        "+++ b/x",
        "diff --git a/x b/x",
        "\\ No newline at end of file",
        "Moved to: /x",
        "",
    ]
) | st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20)
CONTENT = st.lists(HOSTILE_LINES, max_size=12).map("\n".join)


@given(content=CONTENT, change=st.sampled_from(["add", "delete"]))
def test_every_line_of_a_whole_file_has_the_sign_of_what_is_done(content: str, change: str) -> None:
    lines = read_lines(change, content)
    whole = content.removesuffix("\n").split("\n") if content else []
    mark = Mark.ADDED if change == "add" else Mark.REMOVED
    assert [line.text for line in lines.lines if line.mark is mark] == whole
    assert {line.mark for line in lines.lines} <= {mark, Mark.NOTE}
    assert (lines.added, lines.removed) == ((len(whole), 0) if change == "add" else (0, len(whole)))
    assert not any(line.signed.startswith("=== ") for line in lines.lines)


@given(text=CONTENT, change=st.sampled_from(["update", "rename", ""]))
def test_what_has_a_sign_in_an_update_stands_in_a_hunk_that_counts_it(text: str, change: str) -> None:
    lines = read_lines(change, text)
    if lines.malformed:
        assert {line.mark for line in lines.lines} == {Mark.RAW}
        assert "\n".join(line.text for line in lines.lines) == text
    else:
        assert change == "update"
        marks = [line.mark for line in lines.lines]
        assert (lines.added, lines.removed) == (marks.count(Mark.ADDED), marks.count(Mark.REMOVED))
    assert not any(line.signed.startswith("=== ") for line in lines.lines)


KEPT, REMOVED, ADDED = Mark.KEPT, Mark.REMOVED, Mark.ADDED
EDIT = st.lists(st.tuples(st.sampled_from([KEPT, REMOVED, ADDED]), HOSTILE_LINES), min_size=1, max_size=8)


@given(edits=st.lists(EDIT, min_size=1, max_size=3))
def test_a_well_formed_update_is_read_line_by_line(edits: list[list[tuple[Mark, str]]]) -> None:
    diff = ""
    for edit in edits:
        before = sum(mark is not ADDED for mark, _ in edit)
        after = sum(mark is not REMOVED for mark, _ in edit)
        diff += f"@@ -1,{before} +1,{after} @@\n" + "".join(f"{mark}{text}\n" for mark, text in edit)
    lines = read_lines("update", diff)
    told = [(line.mark, line.text) for line in lines.lines if line.mark not in (Mark.HUNK, Mark.NOTE)]
    assert told == [each for edit in edits for each in edit]


@pytest.mark.parametrize(
    "diff",
    [
        "-rm -rf x\n",
        "@@ -1,1 +1,1 @@\n-a\n+b\n+planted\n",
        "@@ -1,2 +1,1 @@\n-a\n+b\n",
        "@@ -1 +1 @@\n-a\nno sign\n+b\n",
        "prose\n@@ -1 +1 @@\n-a\n+b\n",
        "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file, really\n",
        "@@ -1 +1 @@\n-a\n+b\n\n",
    ],
)
def test_a_diff_that_does_not_hold_together_has_no_signs_and_no_counts(diff: str) -> None:
    lines = read_lines("update", diff)
    assert lines.malformed
    assert (lines.added, lines.removed) == (None, None)
    assert all(line.signed.startswith("? ") for line in lines.lines)


def test_a_file_that_ends_without_a_newline_says_so_and_its_content_cannot() -> None:
    *_, last, note = read_lines("add", "one\ntwo").lines
    assert (last.signed, note.mark) == ("+two", Mark.NOTE)
    assert [line.signed for line in read_lines("add", "\\ No newline at end of file\n").lines] == [
        "+\\ No newline at end of file"
    ]


def test_the_line_in_which_servers_repeat_a_move_is_no_part_of_the_diff() -> None:
    diff = "@@ -1 +1 @@\n-a\n+b\n\n\nMoved to: /x y"
    assert read_lines("update", diff).malformed
    kept = without_move(diff, "/x y")
    assert (read_lines("update", kept).added, read_lines("update", kept).removed) == (1, 1)
    assert without_move(diff, "/other") == diff

"""Which thread is meant by what a person types."""

import pytest

from remora.core.errors import Code, ProtocolProblem
from remora.core.thread.threads import ThreadName, choose_thread, is_whole_id

THREADS = [
    ThreadName("01a1fb4f-b259-7882-bdc0-254f2ef00d93", None, "make it so"),
    ThreadName("01a1fb3c-f239-71c3-a5f3-c6f5ba35ca84", "Release", "prepare the release"),
    ThreadName("01a1fb3c-a3b4-7833-b5dc-e2bda5d899d9", "01a1fb4f", "named like another one's id"),
]


@pytest.mark.parametrize(
    ("words", "position"), [("release", 1), ("01A1FB4F-B", 0), ("01a1fb3c-a", 2), ("01a1fb4f", 2), (" Release ", 1)]
)
def test_a_name_or_the_beginning_of_an_id_means_one_thread(words: str, position: int) -> None:
    assert choose_thread(words, THREADS) == THREADS[position].thread_id


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("01a1fb3c", Code.THREAD_AMBIGUOUS, "2 threads of the host match '01a1fb3c'."),
        ("nothing", Code.THREAD_MISSING, "No thread of the host matches 'nothing'."),
        ("", Code.THREAD_MISSING, "No thread of the host matches ''."),
    ],
)
def test_none_or_several_are_refused_with_what_there_is(words: str, code: Code, said: str) -> None:
    with pytest.raises(ProtocolProblem) as caught:
        choose_thread(words, THREADS)
    assert (caught.value.code, caught.value.message) == (code, said)
    assert "01a1fb3c-f239-71c3-a5f3-c6f5ba35ca84 Release (prepare the release)" in caught.value.seen


def test_only_a_whole_id_needs_no_looking_up() -> None:
    assert is_whole_id(THREADS[0].thread_id)
    assert not any(map(is_whole_id, ("01a1fb4f", THREADS[0].thread_id + "0", "release", "")))

"""Which names a configuration has, read from files in memory."""

from collections.abc import Sequence

import pytest

from remora.core.errors import Code
from remora.core.host.aliases import Listing, explain_unknown
from remora.core.host.config_tree import DEPTH_LIMIT, FileText, Root, read_tree


class _Memory:
    """Files in a dictionary; an Include names one of them, or several with a trailing star."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def read(self, path: str, *, root: bool) -> FileText | None:
        if path == "locked":
            raise PermissionError(13, "Permission denied")
        return FileText(self._files[path], path) if path in self._files else None

    def expand(self, argument: str, *, system: bool) -> Sequence[str]:
        if argument == "refused":
            raise ValueError("Refused.")
        return sorted(name for name in [*self._files, "locked"] if name == argument)


def _list(config: str, **files: str) -> Listing:
    return read_tree([Root("config")], _Memory({"config": config, **files}))


def _names(listing: Listing) -> list[str]:
    return [alias.name for alias in listing.aliases]


@pytest.mark.parametrize("star", ["Host *\n User x\n{}", "{}Host *\n User x\n", "{}"])
def test_f02_every_concrete_name_and_no_pattern(star: str) -> None:
    """F02: several names on one line, wildcards, negation, quotes, ``HOST=``, with ``Host *`` anywhere."""
    blocks = 'Host cluster? bob alice\nHost a b !c *.x\nHost "q1" q2\nHOST=eq\n'
    listing = _list(star.format(blocks))
    assert _names(listing) == ["bob", "alice", "a", "b", "q1", "q2", "eq"]
    assert listing.problems == ()


def test_f03_match_gives_no_names_and_does_not_end_the_reading() -> None:
    """F03: Match lines of every kind, one with an Include inside; all hosts after them are listed."""
    listing = _list(
        'Match exec "return 0" host h1\n User a\nHost one\nMatch originalhost nas exec "cmd"\nHost two\n'
        "Match final all\n Include inside\nMatch all\nHost three\n",
        inside="Host four\n",
    )
    assert _names(listing) == ["one", "two", "four", "three"]
    assert [line.executes for line in listing.match_lines] == [True, True, False, False]


def test_a_name_counts_once_at_its_first_line() -> None:
    listing = _list("Host a\nHost b a\nHost *\nInclude more\n", more="Host a c\n")
    assert [(alias.name, alias.file, alias.line) for alias in listing.aliases] == [
        ("a", "config", 1),
        ("b", "config", 2),
        ("c", "more", 1),
    ]


def test_a_name_that_its_own_line_negates_is_no_host() -> None:
    assert _names(_list("Host a b !a\nHost c !*\n")) == ["b"]


def test_names_in_a_file_included_by_a_block_need_that_block() -> None:
    listing = _list("Host work-* !work-z\n Include work\n", work="Host work-a home work-z\n User x\n")
    assert _names(listing) == ["work-a"]
    assert [(problem.file, problem.line) for problem in listing.problems] == [("work", 1), ("work", 1)]
    assert "'home' has no effect" in listing.problems[0].message


def test_the_block_of_an_included_file_ends_with_the_file() -> None:
    """An Include cannot change what follows it: the scope after it is that of the line itself."""
    listing = _list("Include one two\nHost outer\n", one="Host a\n", two="Include deep\n", deep="Host b\n")
    assert _names(listing) == ["a", "b", "outer"]
    assert all(line.within == () for line in listing.host_lines)


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "$(touch x)", "`touch x`", "a b", "a;b", "a'b", "x\x1b[2J"])
def test_f86_names_that_could_do_harm_are_reported_not_offered(name: str) -> None:
    """F86: option-like names and shell text never become aliases; the rest of the line is kept."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    listing = _list(f'# c\nHost good "{quoted}"\n')
    assert _names(listing) == ["good"]
    [problem] = listing.problems
    assert (problem.file, problem.line) == ("config", 2)
    assert "not usable" in problem.message


def test_f01_one_bad_line_costs_only_itself() -> None:
    """F01: the hosts around a line that cannot be read are listed, the line is reported."""
    listing = _list('Host a\nHost "b\nHost\nInclude refused\nInclude locked\nInclude ""\nHost "" c\nFutureOption yes\n')
    assert _names(listing) == ["a", "c"]
    assert [problem.line for problem in listing.problems] == [2, 3, 4, 5, 6, 7]
    assert "Permission denied" in listing.problems[3].message


def test_a_cycle_is_refused_where_it_closes() -> None:
    listing = _list("Include one\nHost a\nHost b\n", one="Host c\nInclude config one\n")
    assert _names(listing) == ["c", "a", "b"]
    assert [(problem.file, problem.line) for problem in listing.problems] == [("one", 2), ("one", 2)]
    assert "cycle" in listing.problems[0].message


def test_includes_are_followed_as_deep_as_openssh_follows_them() -> None:
    files = {f"f{depth}": f"Include f{depth + 1}\nHost h{depth}\n" for depth in range(1, 40)}
    listing = _list("Include f1\n", **files)
    assert _names(listing) == [f"h{depth}" for depth in range(DEPTH_LIMIT, 0, -1)]
    [problem] = listing.problems
    assert (problem.file, problem.line) == (f"f{DEPTH_LIMIT}", 1)


def test_files_that_include_each_other_many_times_come_to_an_end() -> None:
    files = {f"f{depth}": f"Include f{depth + 1} f{depth + 1} f{depth + 1}\n" for depth in range(1, 16)}
    listing = _list("Include f1 f1 f1\nHost a\n", **files, f16="Host deep\n")
    assert _names(listing)[-1] == "a"
    assert "more than" in listing.problems[0].message


_KNOWN = "Host devbox\nHost coder.*\nMatch host build,!old exec x\nMatch originalhost=nas\nHost *\n User x\n"


@pytest.mark.parametrize("alias", ["devbox", "coder.mine", "build", "nas"])
def test_f15_a_name_that_a_pattern_or_match_line_means_is_known(alias: str) -> None:
    """F15: hosts that exist only on demand have no line of their own."""
    assert explain_unknown(alias, _list(_KNOWN)) is None


@pytest.mark.parametrize(
    ("alias", "advice"),
    [("devbx", "devbox"), ("zzz", "Host block"), ("old", "Host block"), ("www.example.com", "Host block")],
)
def test_a_name_that_only_the_star_matches_is_a_typing_error(alias: str, advice: str) -> None:
    error = explain_unknown(alias, _list(_KNOWN))
    assert error is not None
    assert (error.code, error.host) == (Code.ALIAS_UNKNOWN, alias)
    assert advice in error.next_step


def test_an_unknown_name_shows_what_could_not_be_read() -> None:
    error = explain_unknown("a", _list("Include locked\n"))
    assert error is not None
    assert "config:1" in error.message
    assert "locked cannot be read" in error.message


@pytest.mark.parametrize(
    ("alias", "advice"),
    [
        (
            "root@devbox",
            "Name the alias alone: devbox. Put the user into its Host block of the SSH config: User root",
        ),
        (
            "root@devbux",
            "Did you mean devbox? Put the user into its Host block of the SSH config: User root",
        ),
        ("root@elsewhere", "Put the user into its Host block of the SSH config: User root"),
    ],
)
def test_a_user_before_an_alias_is_told_where_it_belongs(alias: str, advice: str) -> None:
    problem = explain_unknown(alias, _list("Host devbox\n"))
    assert problem is not None
    assert problem.next_step == advice

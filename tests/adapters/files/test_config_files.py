"""The SSH config files on disk, and the same question put to the real ``ssh``."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remora.adapters.files.config_files import ConfigFiles, account_home
from remora.core.errors import Code, ConfigProblem
from remora.core.host.aliases import Listing

_SSH = shutil.which("ssh")
needs_ssh = pytest.mark.skipif(_SSH is None, reason="the OpenSSH client is not installed")


def _write(path: Path, text: str | bytes, *, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def _read(path: Path) -> Listing:
    return ConfigFiles(str(path)).read()


def _names(listing: Listing) -> list[str]:
    return [alias.name for alias in listing.aliases]


def test_f05_includes_are_found_by_glob_tilde_and_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F05: globs (sorted, no dot files), ``~/``, relative to ``~/.ssh``, nested three deep, missing ones harmless."""
    monkeypatch.setenv("HOME", str(tmp_path))  # as OpenSSH expands the tilde of an Include
    _write(tmp_path / "conf.d/20", "Host second\n")
    _write(tmp_path / "conf.d/10", "Host first\n")
    _write(tmp_path / "conf.d/.hidden", "Host hidden\n")
    (tmp_path / "conf.d/folder").mkdir()
    (tmp_path / "conf.d/gone").symlink_to(tmp_path / "nowhere")
    _write(tmp_path / ".ssh/one", "Include nested/two\nHost one\n")
    _write(tmp_path / ".ssh/nested/two", "Include three\nHost two\n")
    _write(tmp_path / ".ssh/three", "Host three\n")
    listing = _read(_write(tmp_path / "config", "Include ~/conf.d/* one missing /nowhere/*\nHost last\n"))
    assert _names(listing) == ["first", "second", "three", "two", "one", "last"]
    assert listing.problems == ()


def test_b2_carriage_returns_are_accepted_and_a_byte_order_mark_is_reported(tmp_path: Path) -> None:
    """B2: CRLF is fine; a byte-order mark makes ssh refuse every host, so it is named, and the hosts are listed."""
    listing = _read(_write(tmp_path / "config", b"\xef\xbb\xbfHost a\r\n  User b\r\nHost c\r\n"))
    assert _names(listing) == ["a", "c"]
    [problem] = listing.problems
    assert (problem.file, problem.line) == (str(tmp_path / "config"), 1)
    assert "byte-order mark" in problem.message


def test_f01_an_include_that_cannot_be_used_is_reported_where_it_stands(tmp_path: Path) -> None:
    """F01: a pipe is not waited for, a file that others may write is named; the hosts are still listed."""
    os.mkfifo(tmp_path / "pipe")
    _write(tmp_path / "open", "Host open\n", mode=0o666)
    text = f"Host *\nInclude {tmp_path}/pipe\nInclude {tmp_path}/open\nHost a\n"
    listing = _read(_write(tmp_path / "config", text))
    assert _names(listing) == ["open", "a"]
    assert [(Path(problem.file).name, problem.line) for problem in listing.problems] == [("config", 2), ("open", 1)]


def test_a_cycle_through_another_name_of_the_file_is_seen(tmp_path: Path) -> None:
    config = _write(tmp_path / "config", f"Host a\nHost *\nInclude {tmp_path}/link\n")
    (tmp_path / "link").symlink_to(config)
    listing = _read(config)
    assert _names(listing) == ["a"]
    assert [problem.line for problem in listing.problems] == [3]


def test_f07_missing_and_empty_files_are_harmless(tmp_path: Path) -> None:
    """F07: no file at all (``none``), an empty one, and no system file."""
    assert ConfigFiles("none").read().aliases == ()
    assert _read(_write(tmp_path / "empty", "")).aliases == ()
    assert "nowhere" not in str(ConfigFiles(system_folder=str(tmp_path / "nowhere")).read().problems)


def test_f07_a_file_that_the_user_named_must_be_there(tmp_path: Path) -> None:
    """F07: ``--ssh-config FILE`` with a typing error is said, not answered with an empty list."""
    with pytest.raises(ConfigProblem) as caught:
        _read(tmp_path / "nowhere")
    assert caught.value.code is Code.CONFIG_UNREADABLE


def test_the_system_file_is_read_after_the_users_and_includes_from_its_own_folder(tmp_path: Path) -> None:
    _write(tmp_path / "ssh_config", "Include ssh_config.d/*.conf\nInclude ~/x\nHost site\n")
    _write(tmp_path / "ssh_config.d/10.conf", "Host dropin\n")
    listing = ConfigFiles(system_folder=str(tmp_path)).read()
    assert _names(listing)[-2:] == ["dropin", "site"]
    assert listing.files == (f"{account_home()}/.ssh/config", f"{tmp_path}/ssh_config")
    assert "tilde" in listing.problems[-1].message


def test_names_of_files_need_not_be_utf8(tmp_path: Path) -> None:
    included = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(included)).write_bytes(b"Host a caf\xe9\n")
    Path(os.fsdecode(included)).chmod(0o600)
    listing = _read(_write(tmp_path / "config", b"Include " + included + b"\n"))
    assert _names(listing) == ["a"]


_WORDS = st.sampled_from(["a", "b", "ab", "a?", "*b", "!a", "!b", "*", "!a*", "?", '"a"', "zz"])
_HOST = st.lists(_WORDS, min_size=1, max_size=3).map(lambda words: ("host", " ".join(words)))
_INCLUDE = st.integers(0, 3).map(lambda number: ("include", f"f{number}"))
_BLOCKS = st.lists(_HOST | _HOST | _INCLUDE | st.just(("match", "all")), max_size=5)
_UNIVERSE = ("a", "b", "ab", "c")


def _config_text(blocks: list[tuple[str, str]], *, name: str, folder: str) -> str:
    lines: list[str] = []
    for keyword, value in blocks:
        if keyword == "include":
            lines.append(f"  Include {folder}/{value}")
        else:
            lines.append(f"{keyword.title()} {value}")
        if keyword == "host":
            lines.append(f"  HostName {name}-{len(lines)}")
    return "\n".join([*lines, ""])


def _ask_ssh(config: Path, alias: str) -> str | None:
    """The host name that ssh gives, `None` when it refuses the configuration."""
    assert _SSH is not None
    done = subprocess.run(
        [_SSH, "-F", str(config), "-G", "--", alias], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        return None
    return next(line.split()[1].decode() for line in done.stdout.splitlines() if line.startswith(b"hostname "))


def _ask_listing(listing: Listing, alias: str) -> str:
    """The same from our reading: the first block in force gives its value."""
    for line in listing.host_lines:
        if line.in_force(alias):
            return f"{Path(line.file).name}-{line.line}"
    return alias


@needs_ssh
@settings(max_examples=40, database=None)
@given(main=_BLOCKS, included=st.lists(_BLOCKS, min_size=2, max_size=2))
def test_f05_f06_names_and_scopes_agree_with_openssh(
    main: list[tuple[str, str]], included: list[list[tuple[str, str]]]
) -> None:
    """F05, F06: over generated files that include each other inside and outside blocks, ssh and we agree.

    Every block has a value of its own, so the value ssh gives tells which block is in force for a name.
    f0 and f1 include what they like (cycles too); f2 is plain, f3 is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = _write(Path(folder) / "main", _config_text(main, name="main", folder=folder))
        for number, blocks in enumerate(included):
            name = f"f{number}"
            _write(Path(folder) / name, _config_text(blocks, name=name, folder=folder))
        _write(Path(folder) / "f2", "Host ab c\n  HostName f2-1\n")
        listing = _read(config)
        refused = any("cycle" in problem.message for problem in listing.problems)
        for alias in _UNIVERSE:
            expected = _ask_ssh(config, alias)
            assert (expected is None) == refused
            assert expected is None or _ask_listing(listing, alias) == expected
        assert all(any(line.in_force(alias.name) for line in listing.host_lines) for alias in listing.aliases)


@needs_ssh
@settings(max_examples=80, database=None)
@given(raw=st.text(alphabet="ab \t\"'\\#=,!*?\r\f", max_size=9), separator=st.sampled_from([" ", "=", "\t= ", " ", ""]))
def test_f06_any_host_line_is_read_as_openssh_reads_it(raw: str, separator: str) -> None:
    """F06: quotes, escapes, comments and equals signs; what ssh refuses is a problem, the rest means the same."""
    with tempfile.TemporaryDirectory() as folder:
        config = _write(Path(folder) / "main", f"Host{separator}{raw}\nHostName main-1\n")
        listing = _read(config)
        alias = "ab"
        expected = _ask_ssh(config, alias)
        if expected is None:
            known = {line.split()[0].lower() for line in config.read_text().splitlines() if line.split()}
            assert listing.problems or not known <= {"host", "hostname"}
        elif listing.host_lines:
            assert _ask_listing(listing, alias) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_text_of_wide_characters_is_named_and_its_hosts_are_listed(tmp_path: Path, encoding: str) -> None:
    """As some editors and shells of Windows save it; OpenSSH refuses every host because of it."""
    text = "# wörk\r\nHost a b\r\n  User dev\r\nHost c\r\n".removeprefix("# wörk\r\n" if encoding.endswith("e") else "")
    listing = _read(_write(tmp_path / "config", text.encode(encoding)))
    assert _names(listing) == ["a", "b", "c"]
    [problem] = listing.problems
    assert "UTF-8" in problem.message
    assert encoding[:6].upper() in problem.message


def test_twenty_thousand_names_on_one_line_are_listed(tmp_path: Path) -> None:
    """In time that grows with their number, not with its square."""
    names = [f"h{number}" for number in range(20_000)]
    listing = _read(_write(tmp_path / "config", f"Host {' '.join(names)} !h7 !h1999?\n  User dev\n"))
    assert len(listing.aliases) == 20_000 - 1 - 10


def test_an_include_may_name_variables_and_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As newer OpenSSH has it; one that means it literally is read, too."""
    monkeypatch.setenv("REMORA_HOSTS", str(tmp_path))
    machine = os.uname().nodename
    _write(tmp_path / f"on-{machine}", "Host here\n")
    _write(tmp_path / "work", "Host work\n")
    _write(tmp_path / "100%done", "Host done\n")
    text = (
        f"Include ${{REMORA_HOSTS}}/on-%l ${{REMORA_HOSTS}}/work ${{REMORA_UNSET}}/x {tmp_path}/100%done\nHost last\n"
    )
    listing = _read(_write(tmp_path / "config", text))
    assert _names(listing) == ["here", "work", "done", "last"]
    assert listing.problems == ()

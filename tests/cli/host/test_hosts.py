"""`remora hosts`, as people and scripts see it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.program import remora, run_script
from tests.support.base.until import LIMIT
from tests.support.screen.pseudo_terminal import PseudoTerminal

from remora.core.errors import ExitCode

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="the OpenSSH client is not installed")

_TEN = "".join(f"Host h{number}\n  HostName h{number}.example\n" for number in range(10))


def _config(folder: Path, text: str | bytes) -> Path:
    path = folder / "config"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _hosts(config: Path | str, *words: str) -> tuple[int, dict[str, Any]]:
    done = remora("hosts", "--json", "--ssh-config", str(config), *words)
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document


def test_the_listing_for_people_has_aligned_columns_with_file_and_line(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host a\n\nHost longer-name b\n")
    done = remora("hosts", "--ssh-config", str(config))
    assert done.stdout.decode().splitlines() == [
        f"a            {config}:1",
        f"longer-name  {config}:3",
        f"b            {config}:3",
    ]
    assert done.stderr == b""


@needs_ssh
def test_an_ipv6_address_stands_in_brackets_beside_its_port(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host a\n HostName ::1\n User u\n")
    assert b"u@[::1]:22" in remora("hosts", "--resolve", "--ssh-config", str(config)).stdout


@needs_ssh
@pytest.mark.parametrize("keyword", ["IdentityFile", "CertificateFile"])
def test_a_key_named_by_a_variable_without_a_value_is_refused_as_ssh_does(tmp_path: Path, keyword: str) -> None:
    config = _config(tmp_path, f"Host a\n HostName x\n {keyword} ${{REMORA_NOPE}}/key\n")
    _, document = _hosts(config, "--resolve")
    error = document["hosts"][0]["error"]
    assert error["code"] == "config-rejected"
    assert f"{config}:3" in error["message"]
    assert "REMORA_NOPE" in error["seen"]


@needs_ssh
def test_resolve_adds_what_openssh_makes_of_each_alias(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host a\n HostName x.example\n User u\n Port 24\n ProxyJump j1,j2\nHost b\n User v\n")
    code, document = _hosts(config, "--resolve")
    assert code == ExitCode.DONE
    assert document["hosts"] == [
        {
            "alias": "a",
            "file": str(config),
            "line": 1,
            "user": "u",
            "hostname": "x.example",
            "port": 24,
            "jump": "j1,j2",
        },
        {"alias": "b", "file": str(config), "line": 6, "user": "v", "hostname": "b", "port": 22},
    ]
    text = remora("hosts", "--resolve", "--ssh-config", str(config)).stdout.decode()
    assert text.startswith("a  u@x.example:24 via j1,j2  ")


@needs_ssh
@pytest.mark.parametrize(
    "spoiled",
    [
        _TEN + "Host later\n FutureOption yes\n",
        "\ufeff" + _TEN,
        _TEN + "Host *\n Include /proc/1/mem\n",
        _TEN + "Host\n",
    ],
)
def test_f01_a_line_that_spoils_every_host_never_empties_the_list(tmp_path: Path, spoiled: str) -> None:
    """F01: ten rows whatever the bad line is; resolving gives each row ssh's own words and exits with "config"."""
    config = _config(tmp_path, spoiled)
    code, listed = _hosts(config)
    assert code == ExitCode.DONE
    assert [row["alias"] for row in listed["hosts"]][:10] == [f"h{number}" for number in range(10)]
    code, resolved = _hosts(config, "--resolve")
    if all("error" not in row for row in resolved["hosts"]):
        assert os.getuid() == 0  # for root, nothing is unreadable
        return
    assert code == ExitCode.CONFIG
    assert [row["alias"] for row in resolved["hosts"]][:10] == [f"h{number}" for number in range(10)]
    assert all(row["error"]["code"] == "config-rejected" and row["error"]["seen"] for row in resolved["hosts"])


def test_f01_without_ssh_every_row_says_so(tmp_path: Path) -> None:
    """F01: no ``ssh`` on PATH."""
    config = _config(tmp_path, _TEN)
    done = remora("hosts", "--json", "--resolve", "--ssh-config", str(config), environment={"PATH": str(tmp_path)})
    assert done.returncode == ExitCode.CONFIG
    assert {row["error"]["code"] for row in json.loads(done.stdout)["hosts"]} == {"ssh-missing"}
    text = remora("hosts", "--resolve", "--ssh-config", str(config), environment={"PATH": str(tmp_path)})
    assert text.stderr.decode().startswith("remora: h0, h1, h2, h3, h4 and 5 more: ")


@needs_ssh
def test_values_cannot_disturb_the_terminal(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host a\n User x\x1b[2Jy\n")
    assert b"\x1b" not in remora("hosts", "--resolve", "--ssh-config", str(config)).stdout


def test_a_file_name_that_an_include_finds_cannot_disturb_the_terminal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "found\x1b[2J\nremora: forged")
    config = _config(tmp_path, f"Host a\nInclude {tmp_path}/found*\n")
    ended = remora("hosts", "--ssh-config", str(config))
    assert b"\x1b" not in ended.stderr
    assert b"\\x1b[2J" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@needs_ssh
def test_the_command_to_try_survives_a_folder_with_shell_text(tmp_path: Path) -> None:
    folder = tmp_path / "a $(id) b"
    folder.mkdir()
    config = _config(folder, "Host a\n  Port never\n")
    _, document = _hosts(config, "--resolve")
    assert f"'{config}'" in document["hosts"][0]["error"]["next"]


@needs_ssh
def test_a_failure_belongs_to_its_row(tmp_path: Path) -> None:
    config = _config(
        tmp_path, "Host good\n User u\nMatch originalhost bad\n ProxyCommand nc ';' %h\n HostName a;b\nHost bad\n"
    )
    code, document = _hosts(config, "--resolve")
    good, bad = document["hosts"]
    assert code == ExitCode.PARTIAL
    assert good["user"] == "u"
    assert bad["error"]["host"] == "bad"


def test_problems_are_told_with_file_and_line(tmp_path: Path) -> None:
    config = _config(tmp_path, 'Host a\nHost "b\nHost -oProxyCommand=x\n')
    code, document = _hosts(config)
    assert code == ExitCode.DONE
    assert [row["alias"] for row in document["hosts"]] == ["a"]
    assert [(problem["file"], problem["line"]) for problem in document["problems"]] == [
        (str(config), 2),
        (str(config), 3),
    ]
    assert f"remora: {config}:2: ".encode() in remora("hosts", "--ssh-config", str(config)).stderr


def test_f07_no_configuration_at_all_is_an_empty_list(tmp_path: Path) -> None:
    """F07: ``none`` and an empty file are no failure; a hint goes to standard error."""
    for name in ("none", str(_config(tmp_path, ""))):
        assert _hosts(name) == (ExitCode.DONE, {"schema": "remora/1", "kind": "hosts", "hosts": [], "problems": []})
        done = remora("hosts", "--ssh-config", name)
        assert (done.returncode, done.stdout) == (ExitCode.DONE, b"")
        assert b"names no host" in done.stderr


OTHER_KINDS: dict[str, bytes] = {
    "html": b"<html>\n<head><title>x</title></head>\n</html>\n",
    "json": b'{"hosts": ["a"],\n "user": "me"}\n',
    "private-key": b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAA\nAAAA+SECRET\n",
    "pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\n",
    "program": b"\x7fELF\x02\x01\x01\0\0\x03\0\x3e\0\x01" + bytes(range(256)) * 8,
    "ini": b"[defaults]\ninventory = hosts\n",
    "yaml": b"all:\n  hosts:\n    a: {}\n",
    "letter": b"Dear team\nplease find the hosts below\n",
    "csv": b"name,address\na,10.0.0.1\n",
    "options-alone": b"Port 22\nNoSuchOption yes\n",
}


@needs_ssh
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_file_of_another_kind_is_refused_with_its_place_and_without_its_content(kind: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_bytes(OTHER_KINDS[kind])
    asked = subprocess.run(["ssh", "-F", config, "-G", "--", "a"], capture_output=True, check=False)
    assert asked.returncode != 0, "OpenSSH takes it"
    for words in (("hosts",), ("check", "--all"), ("check", "a"), ("run", "a", "hi")):
        done = remora(*words, "--ssh-config", str(config))
        told = (done.stdout + done.stderr).decode()
        assert done.returncode == ExitCode.CONFIG, words
        assert f"{config}:" in "".join(told.split())
        assert len(told.splitlines()) < 20
        for hidden in ("Traceback", "SECRET", "b3BlbnNzaC1r"):
            assert hidden not in told


@needs_ssh
def test_a_key_that_was_pasted_into_the_config_is_not_shown(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host a\n  HostName 127.0.0.1\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAA\n")
    for words in (("hosts",), ("hosts", "--resolve"), ("check", "a")):
        done = remora(*words, "--ssh-config", str(config))
        assert f"{config}:3".encode() in done.stderr + done.stdout
        assert b"b3blbnnzac1r" not in (done.stderr + done.stdout).lower()


@needs_ssh
@pytest.mark.parametrize("text", ["", "# nothing yet\n\n", "Port 22\nProtocol 2\n", "IgnoreUnknown x*\nXyz 1\n"])
def test_a_file_without_hosts_that_openssh_takes_is_no_failure(text: str, tmp_path: Path) -> None:
    config = _config(tmp_path, text)
    subprocess.run(["ssh", "-F", config, "-G", "--", "a"], capture_output=True, check=True)
    assert _hosts(config)[0] == ExitCode.DONE
    assert remora("check", "--all", "--ssh-config", str(config)).returncode == ExitCode.DONE


def test_f07_the_home_variable_does_not_choose_the_config(tmp_path: Path) -> None:
    """F07: ssh finds its config through the password database; what only ``$HOME`` has, ssh could not reach."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host only-in-home-variable\n", encoding="utf-8")
    done = remora("hosts", environment={"HOME": str(tmp_path)})
    assert done.returncode == ExitCode.DONE
    assert b"only-in-home-variable" not in done.stdout


@needs_ssh
def test_f15_a_typing_error_is_no_host_but_a_name_that_only_a_pattern_matches_is(tmp_path: Path) -> None:
    """F15: ``check`` refuses a name that no Host line means, and goes on with one that a pattern means."""
    text = "Host devbox coder.*\n HostName 127.0.0.1\n Port 1\nHost *\n User x\n"
    config = _config(tmp_path, text)
    unknown = remora("check", "devbx", "--json", "--ssh-config", str(config))
    assert unknown.returncode == ExitCode.CONFIG
    error = json.loads(unknown.stdout)["hosts"][0]["stages"][0]["error"]
    assert error["code"] == "alias-unknown"
    assert "devbox" in error["next"]
    assert remora("check", "coder.mine", "--json", "--ssh-config", str(config)).returncode == ExitCode.UNREACHABLE


_WATCHED = """
import sys
forbidden = ("subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "socket.", "pty.")
def watch(event, arguments):
    if event.startswith(forbidden):
        sys.stderr.write(f"FORBIDDEN {event} {arguments}\\n")
from remora.cli.main import main
sys.addaudithook(watch)
sys.exit(main(sys.argv[1:]))
"""

_COMPLETING = f"""
import os, sys
os.environ["_REMORA_COMPLETE"] = "complete_bash"
os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = sys.argv[1:]
sys.argv[1:] = []
{_WATCHED}"""


@pytest.mark.parametrize("words", [["hosts"], ["hosts", "--json"]])
def test_f13_f04_listing_runs_nothing_and_contacts_nobody(tmp_path: Path, words: list[str]) -> None:
    """F13, F04: no process and no socket, with ``Match exec``, ProxyCommand and 20 aliases in the file."""
    marker = tmp_path / "marker"
    aliases = "".join(f"Host h{number}\n ProxyCommand touch {marker}\n" for number in range(20))
    config = _config(tmp_path, f'Match exec "touch {marker}; sleep 5"\n User x\n{aliases}')
    done = run_script(_WATCHED, *words, "--ssh-config", str(config))
    assert done.returncode == ExitCode.DONE
    assert b"h19" in done.stdout
    assert done.stderr == b""
    assert not marker.exists()


@needs_ssh
def test_f13_resolving_contacts_nobody(tmp_path: Path) -> None:
    """F13: ``ssh -G`` runs no ProxyCommand and opens no connection."""
    marker = tmp_path / "marker"
    config = _config(tmp_path, f"Host a\n ProxyCommand touch {marker}\n KnownHostsCommand /bin/touch {marker}\n")
    assert _hosts(config, "--resolve")[0] == ExitCode.DONE
    assert not marker.exists()


@pytest.mark.parametrize(("rows", "paged"), [(5, True), (50, False)])
def test_only_a_listing_longer_than_the_terminal_is_paged(tmp_path: Path, rows: int, paged: bool) -> None:
    words = [sys.executable, "-m", "remora", "hosts", "--ssh-config", str(_config(tmp_path, _TEN))]
    environment = {**os.environ, "PAGER": "sed 's/^/paged: /'", "TERM": "xterm"}
    environment.pop("LINES", None)  # it would speak for the terminal
    with PseudoTerminal(rows=rows) as terminal:
        end = terminal.program_descriptor
        done = subprocess.run(words, stdin=end, stdout=end, stderr=end, env=environment, timeout=LIMIT, check=False)
        assert done.returncode == ExitCode.DONE
        run(terminal.shows("h9"))
        assert ("paged: h9" in terminal.seen) == paged


@pytest.mark.parametrize(
    ("line", "word"), [("remora check --ssh-config {} de", 4), ("remora --ssh-config {} run de", 4)]
)
def test_f13_the_shell_completes_aliases_from_the_files_alone(tmp_path: Path, line: str, word: int) -> None:
    """F13: completion lists, and so runs nothing and contacts nobody."""
    config = _config(tmp_path, f'Host devbox dev2 prod\nMatch exec "touch {tmp_path}/marker"\nHost "broken\n')
    done = run_script(_COMPLETING, line.format(config), str(word))
    assert done.stdout.decode().split() == ["devbox", "dev2"]
    assert done.stderr == b""
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("remora forward dev", "devbox"),
        ("remora forward st", "stop"),
        ("remora run devbox --sandbox work", "workspace-write"),
        ("remora run devbox --approval-policy on-r", "on-request"),
        ("remora run devbox --on-approval dec", "decline"),
        ("remora wait devbox --for prov", "provisioned"),
        ("remora wait devbox --for ready,id", "ready,idle"),
    ],
)
def test_the_shell_completes_what_belongs_there(tmp_path: Path, line: str, completed: str) -> None:
    words = line.replace("remora", f"remora --ssh-config {_config(tmp_path, 'Host devbox')}", 1)
    done = run_script(_COMPLETING, words, str(len(words.split()) - 1))
    assert done.stdout.decode().split() == [completed]


@needs_ssh
def test_resolving_counts_on_the_terminal_and_leaves_no_trace_there(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "remora", "hosts", "--resolve", "--ssh-config", str(_config(tmp_path, _TEN))]
    environment = {**os.environ, "TERM": "xterm"}
    with PseudoTerminal(rows=50) as terminal:
        end = terminal.program_descriptor
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=end, env=environment, timeout=LIMIT, check=False)
        run(terminal.shows("resolved 10 of 10\r\x1b[K"))
    assert len(done.stdout.splitlines()) == 10
    assert b"resolved" not in done.stdout


def test_a_settings_file_that_was_named_and_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host a\n")
    done = remora("hosts", "--ssh-config", str(tmp_path / "config"), "--config", str(tmp_path / "none.toml"))
    assert done.returncode == ExitCode.CONFIG
    assert b"none.toml" in done.stderr


@pytest.mark.parametrize("words", [["hosts"], ["check", "--all"]])
def test_a_file_in_which_no_host_can_be_read_is_a_failure(tmp_path: Path, words: list[str]) -> None:
    config = _config(tmp_path, 'Host\n  User x\n"Host a\n'.encode("utf-16"))
    done = remora(*words, "--ssh-config", str(config))
    assert done.returncode == ExitCode.CONFIG
    assert b"UTF-16" in done.stderr + done.stdout

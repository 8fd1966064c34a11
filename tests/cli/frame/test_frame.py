"""What is the same for every command: options, failures, exit codes, start-up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.support.base.program import remora, run_script
from tests.support.base.until import LIMIT

from remora.cli.app import app
from remora.core.errors import ExitCode

_COMMON = {"json", "ssh_config", "config", "no_input", "timeout", "verbose", "quiet"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text("Host devbox\n", encoding="utf-8")
    return path


def _document(output: bytes) -> dict[str, Any]:
    """The one JSON document that standard output holds."""
    assert output.count(b"\n") == 1
    document: dict[str, Any] = json.loads(output)
    assert document["schema"] == "remora/1"
    return document


def _leaves(command: Any) -> list[Any]:
    context = typer.Context(command)
    if not hasattr(command, "list_commands"):
        return [command]
    return [leaf for name in command.list_commands(context) for leaf in _leaves(command.get_command(context, name))]


def test_every_command_takes_the_common_options() -> None:
    leaves = _leaves(typer.main.get_command(app))
    assert leaves
    for command in leaves:
        assert {parameter.name for parameter in command.params} >= _COMMON, command.name


def test_common_options_stand_before_or_after_the_name(config: Path) -> None:
    named = str(config)
    outputs = {
        remora(*words).stdout
        for words in (
            ["--json", "--ssh-config", named, "hosts"],
            ["hosts", "--json", "--ssh-config", named],
            ["--json", "hosts", "--ssh-config", named, "list"],
            ["--ssh-config", "/nowhere", "hosts", "list", "--json", f"--ssh-config={named}"],
        )
    }
    assert len(outputs) == 1
    assert _document(outputs.pop())["hosts"][0]["alias"] == "devbox"


def test_the_environment_names_the_config_unless_the_line_does(config: Path) -> None:
    named = {"REMORA_SSH_CONFIG": str(config)}
    assert b"devbox" in remora("hosts", environment=named).stdout
    assert b"devbox" not in remora("hosts", "--ssh-config", "none", environment=named).stdout


@pytest.mark.parametrize(
    "words",
    [["hosts", "--bogus"], ["hosts", "extra"], ["hots"], ["hosts", "--timeout", "x"], ["hosts", "--ssh-config"]],
)
def test_a_usage_error_is_a_sentence_or_a_document(words: list[str]) -> None:
    for_people = remora(*words)
    assert for_people.returncode == ExitCode.USAGE
    assert for_people.stdout == b""
    assert for_people.stderr.startswith(b"remora: ")
    assert b"\n  next:  " in for_people.stderr
    for_scripts = remora("--json", *words)
    assert for_scripts.returncode == ExitCode.USAGE
    assert for_scripts.stderr == b""
    error = _document(for_scripts.stdout)["error"]
    assert (error["code"], error["stage"]) == ("usage", "usage")
    assert error["next"]


def test_a_mistyped_command_is_answered_with_the_likely_one() -> None:
    assert b"Did you mean: remora hosts" in remora("hots").stderr


def test_without_a_command_the_help_is_shown_and_nothing_reaches_standard_output() -> None:
    done = remora()
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, b"")
    assert b"Commands:" in done.stderr
    assert _document(remora("--json").stdout)["kind"] == "error"


def test_the_help_lists_every_exit_code() -> None:
    text = " ".join(remora("--help").stdout.decode().split())
    listed = text.partition("Exit codes: ")[2]
    assert {int(part.split()[0]) for part in listed.split("·")} == {code.value for code in ExitCode}


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert remora("--version").stdout.decode() == f"remora {version('remora')}\n"


def test_a_narrow_terminal_gets_a_narrow_help() -> None:
    text = remora("hosts", "--help", environment={"COLUMNS": "60"}).stdout.decode()
    assert max(map(len, text.splitlines())) <= 60


_LOADED = """
import sys
from remora.cli.main import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("words", [["--help"], ["hosts", "--json"], ["hosts", "--help"], ["check", "--help"]])
def test_what_is_heavy_is_not_loaded_for_what_does_not_need_it(words: list[str], config: Path) -> None:
    done = run_script(_LOADED, "--ssh-config", str(config), *words)
    assert done.returncode == 0
    loaded = set(done.stderr.decode().split())
    heavy = {"asyncio", "asyncssh", "rich", "websockets", "platformdirs", "pydantic", "remora.ports"}
    assert not loaded & heavy


_FAILING = """
import sys
def fail(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/config"):
        raise RuntimeError("something\\x1b[2J unforeseen")
from remora.cli.main import main
sys.addaudithook(fail)
sys.exit(main(sys.argv[1:]))
"""


def test_a_fault_of_our_own_is_one_sentence_and_a_traceback_only_when_asked(config: Path) -> None:
    words = ["hosts", "--ssh-config", str(config)]
    plain = run_script(_FAILING, *words)
    assert plain.returncode == ExitCode.PROTOCOL
    assert b"Traceback" not in plain.stderr
    assert b"\x1b" not in plain.stderr
    assert b"-v" in plain.stderr
    assert b"Traceback" in run_script(_FAILING, *words, "-v").stderr
    assert _document(run_script(_FAILING, *words, "--json").stdout)["error"]["code"] == "internal"


def test_a_reader_that_goes_away_ends_the_program_quietly(config: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "remora", "hosts", "--ssh-config", str(config)]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, timeout=LIMIT, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.fixture
def silent_config(tmp_path: Path) -> Path:
    """A pipe that nobody writes to: reading it as a config waits for ever."""
    path = tmp_path / "silent"
    os.mkfifo(path)
    return path


def test_an_interrupt_is_said_and_exits_130(silent_config: Path) -> None:
    words = [sys.executable, "-m", "remora", "hosts", "--json", "--ssh-config", str(silent_config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        with silent_config.open("wb"):  # returns when the program has opened its end
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=LIMIT)
        assert (child.returncode, errors) == (ExitCode.INTERRUPTED, b"")
    assert _document(output)["error"]["code"] == "interrupted"


def test_the_time_limit_ends_a_command_that_waits(silent_config: Path) -> None:
    done = remora("hosts", "--json", "--timeout", "0.2", "--ssh-config", str(silent_config))
    assert done.returncode == ExitCode.TIME_LIMIT
    assert _document(done.stdout)["error"]["code"] == "time-limit"


def test_the_time_limit_ends_a_command_whose_thread_is_stuck(silent_config: Path, tmp_path: Path) -> None:
    """A name lookup, which reads the file of HOSTALIASES: no signal reaches the thread that waits."""
    config = tmp_path / "config"
    config.write_text("Host box\n  HostName nowhere\n")
    stuck = {"HOSTALIASES": str(silent_config)}
    done = remora("check", "box", "--json", "--timeout", "0.5", "--ssh-config", str(config), environment=stuck)
    assert done.returncode == ExitCode.TIME_LIMIT
    assert _document(done.stdout)["error"]["code"] == "time-limit"


def test_any_encoding_of_the_terminal_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    config = folder / "config"
    config.write_text("Host büro\n", encoding="utf-8")
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = remora("hosts", "--ssh-config", str(config), environment=plain)
    assert done.returncode == 0
    assert rb"b\xfcro" in done.stdout
    document = _document(remora("hosts", "--json", "--ssh-config", str(config), environment=plain).stdout)
    assert document["hosts"][0] == {"alias": "büro", "file": str(config), "line": 1}


@pytest.mark.parametrize("words", ["hosts --json", "provision --example", "login devbox --with-api-key"])
@pytest.mark.parametrize("streams", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_from_the_start_is_no_fault_of_ours(config: Path, words: str, streams: str) -> None:
    script = f'exec "$0" -m remora {words} --ssh-config "$1" {streams}'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, str(config)], capture_output=True, timeout=LIMIT, check=False
    )
    assert done.returncode != ExitCode.PROTOCOL, done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["hosts --json", "hosts", "provision --schema", "hosts --help", "check box"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_standard_output_is_told_in_one_sentence(config: Path, words: str, unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    script = f'exec "$0" -m remora {words} --ssh-config "$1" >/dev/full'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, str(config)],
        capture_output=True,
        timeout=LIMIT,
        check=False,
        env=environment,
    )
    assert done.returncode == ExitCode.PROTOCOL
    assert done.stderr.startswith(b"remora: Standard output cannot be written: No space left on device.\n")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["hosts", "--timeout"],
        ["provision", "x.toml", "--timeout"],
        ["wait", "box", "--timeout"],
        ["score", "box:x", "--limit"],
    ],
)
@pytest.mark.parametrize("typed", ["nan", "inf", "1e400", "1e12", "-1", "0", "soon", "1_0", "+5", " 5", "٣"])
def test_a_time_limit_that_no_clock_could_keep_is_refused(words: list[str], typed: str) -> None:
    done = remora(*words[:-1], f"{words[-1]}={typed}", "--json")
    error = _document(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (ExitCode.USAGE, "usage")
    assert error["message"].startswith(
        f"Invalid value '{typed.strip()}' for {words[-1]}; use a number of seconds above 0"
    )


@pytest.mark.parametrize("typed", ["nan", "101", "-1", "much", "8_0"])
def test_a_score_beyond_the_scale_is_refused(typed: str) -> None:
    done = remora("score", "box:x", f"--min={typed}")
    assert done.returncode == ExitCode.USAGE
    assert f"Invalid value '{typed}' for --min; use a number from 0 to 100." in done.stderr.decode()

"""Slips on the command line: an empty value, a path in the place of the prompt, two names for one thing."""

import json
from pathlib import Path

import pytest
from tests.support.base.program import remora

from remora import api
from remora.core.errors import ExitCode, UsageProblem
from remora.core.host.hosts import Address, parse_address


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "box", "hi", "--thread", ""], "--thread"),
        (["run", "box", "hi", "--model", " "], "--model"),
        (["run", "box", "hi", "--effort="], "--effort"),
        (["run", "box", "hi", "--sandbox", ""], "--sandbox"),
        (["run", "box", "hi", "--codex", ""], "--codex"),
        (["run", "box", "hi", "--image", "x.png", "--image", ""], "--image"),
        (["run", "box", "hi", "--on-approval", ""], "--on-approval"),
        (["run", "box", ""], "PROMPT"),
        (["run", "", "hi"], "ALIAS[:DIR]"),
        (["--ssh-config", "", "hosts"], "--ssh-config"),
        (["hosts", "--config", ""], "--config"),
        (["tui", "box", "--client", ""], "--client"),
        (["provision", "box", "--codex", ""], "--codex"),
        (["provision", ""], "MANIFEST"),
        (["provision", " ", "--dry-run"], "MANIFEST"),
        (["wait", "box", "--for", ""], "--for"),
        (["check", "box", "--codex", ""], "--codex"),
    ],
)
def test_an_empty_value_is_a_slip_and_not_a_default(words: list[str], named: str) -> None:
    done = remora(*words)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, b"")
    assert f"Empty value for {named}." in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (
            ["run", "box", "hi", "--sandbox", "x"],
            "'x' for --sandbox; use read-only, workspace-write or danger-full-access.",
        ),
        (["run", "box", "hi", "-a", "x"], "'x' for --approval-policy; use untrusted, on-request, on-failure or never."),
        (["run", "box", "hi", "--on-approval", "x"], "'x' for --on-approval; use ask, fail, decline or cancel."),
        (["tui", "box", "-s", "x"], "'x' for --sandbox; use read-only, workspace-write or danger-full-access."),
        (["tui", "box", "-a", "untrusted"], "'untrusted' for --approval-policy; use on-request or never."),
        (["provision", "box", "--codex", "latest", "--source", "x"], "'x' for --source; use wheel, npm or file."),
        (["provision", "x.toml", "--emit", "x"], "'x' for --emit; use ansible or cloud-init."),
        (["provision", "x.toml", "--jobs", "1_0"], "'1_0' for --jobs; use a whole number from 1 to 10000."),
        (["provision", "x.toml", "--jobs", "0"], "'0' for --jobs; use a whole number from 1 to 10000."),
        (
            ["forward", "box", "5", "--local-port", "65536"],
            "'65536' for --local-port; use a port number from 0 to 65535.",
        ),
        (
            ["forward", "--egress", "box", "a.example", "--port", "x"],
            "'x' for --port; use a port number from 1 to 65535.",
        ),
        (["forward", "box", "99999"], "'99999' for PORT; use one port number from 1 to 65535."),
        (["forward", "box", "٣"], "'٣' for PORT; use one port number from 1 to 65535."),
        (["forward", "stop", "box", "abc"], "'abc' for PORT; use one port number from 1 to 65535."),
        (["forward", "stop", "box", "1_0"], "'1_0' for PORT; use one port number from 1 to 65535."),
        (["login", "box", "--expires", "20270131"], "'20270131' for --expires; use a day, as year, month and day."),
        (["wait", "box", "--for", "x"], "'x' for --for; use provisioned, ready, live, idle."),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence_with_an_example(words: list[str], refusal: str) -> None:
    done = remora(*words, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"], error["stage"]) == (ExitCode.USAGE, "usage", "usage")
    assert error["message"] == f"Invalid value {refusal}"
    assert error["next"].startswith(("For example: ", "Name it: remora forward "))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "box", "hi \udcff"], "PROMPT"),
        (["run", "box:x\udcff", "hi"], "ALIAS[:DIR]"),
        (["run", "box", "hi", "--model", "x\udcff"], "--model"),
        (["run", "box", "hi", "--codex", "x\udcff"], "--codex"),
        (["bridge", "box:x\udcff"], "ALIAS[:DIR]"),
        (["score", "box:x", "--test", "x\udcff"], "--test"),
        (["threads", "interrupt", "box/x\udcff"], "ALIAS/THREAD"),
        (["provision", "x.toml", "--set", "a=\udcff"], "--set"),
    ],
)
def test_an_argument_that_is_not_utf_8_is_refused(words: list[str], named: str) -> None:
    done = remora(*words, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (ExitCode.USAGE, "usage")
    assert error["message"].startswith(f"The value of {named} is not UTF-8: ")
    assert "\\xff" in error["message"]


def test_a_file_of_this_machine_may_have_any_name(tmp_path: Path) -> None:
    config = tmp_path / "caf\udce9"
    config.write_text("Host box\n")
    assert b"box" in remora("hosts", "--ssh-config", str(config)).stdout


def test_words_too_many_are_told_as_what_they_are() -> None:
    done = remora("run", "box", "fix", "the", "test")
    assert done.returncode == ExitCode.USAGE
    assert b"Too many arguments: the test is not expected." in done.stderr
    assert b"Put quotes around words that belong together" in done.stderr


def test_a_key_on_the_line_of_login_is_refused_and_not_repeated() -> None:
    done = remora("login", "box", "--with-api-key", "sk-nonsense")
    assert done.returncode == ExitCode.USAGE
    assert b"sk-nonsense" not in done.stdout + done.stderr
    assert b"standard input" in done.stderr


@pytest.mark.parametrize("place", ["box:", "box/", "box: ", "box/\t"])
@pytest.mark.parametrize("command", ["run", "tui", "score", "bridge"])
def test_a_place_that_ends_in_its_separator_is_a_slip(command: str, place: str) -> None:
    done = remora(command, place, *(["hi"] if command == "run" else []), "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (ExitCode.USAGE, "usage")
    assert "ends before the name of a" in error["message"]


def test_a_prompt_is_never_advised_to_be_left_out() -> None:
    assert "omit PROMPT" not in remora("run", "box", "").stderr.decode()


@pytest.mark.parametrize("url", ["ssh://box", "ssh://me@box:22", "ssh://me@[::1]:22/work"])
@pytest.mark.parametrize("command", ["check", "run", "tui", "connect"])
def test_a_url_is_not_taken_for_a_host_called_ssh(command: str, url: str) -> None:
    done = remora(command, url, *(["hi"] if command == "run" else []))
    said = done.stderr.decode()
    assert done.returncode == ExitCode.USAGE
    assert f"{url!r} is a URL; remora needs an alias" in said
    assert "Use: remora check ssh" not in said


def test_the_home_folder_can_be_named() -> None:
    assert parse_address("box:~") == Address("box", folder="~")


@pytest.mark.parametrize("name", ["folder", "thread", "model", "effort"])
def test_the_library_takes_no_empty_name(name: str) -> None:
    with pytest.raises(UsageProblem, match=f"The {name} is empty"):
        api.run_request("hi", **{name: ""})


@pytest.mark.parametrize("prompt", ["~", "~/proj", "..", "./x", "../x/", "/srv/app", "/srv/app/", "{here}", "{here}/"])
def test_a_path_is_not_a_prompt(prompt: str, tmp_path: Path) -> None:
    done = remora("run", "box", prompt.format(here=tmp_path))
    assert done.returncode == ExitCode.USAGE
    told = " ".join(done.stderr.decode().split())
    assert "The prompt is only a path" in told
    assert "box:DIR" in told


def test_a_file_of_this_folder_is_not_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "TODO.md").touch()
    done = remora("run", "box:proj", "TODO.md", folder=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert b"TODO.md" in done.stderr
    assert b"pipe it to: remora run box -" in done.stderr


@pytest.mark.parametrize("prompt", ["look at /srv/app", "/review", "hi", "a/b or c/d?", "~ is my home\n"])
def test_what_only_holds_a_path_is_a_prompt(prompt: str, tmp_path: Path) -> None:
    done = remora("run", "no-such-host", prompt, "--json", folder=tmp_path)
    assert json.loads(done.stdout.splitlines()[-1])["error"]["code"] == "alias-unknown"


def test_two_names_for_the_thread_are_a_slip() -> None:
    done = remora("run", "box/one", "--thread", "two", "hi")
    assert done.returncode == ExitCode.USAGE
    assert b"Two threads are named: 'one' and 'two'" in done.stderr


@pytest.mark.parametrize("command", ["run", "check", "connect", "tui", "bridge", "score"])
@pytest.mark.parametrize("version", ["0.163.0", "latest"])
def test_a_version_is_not_a_codex_of_the_host(command: str, version: str) -> None:
    done = remora(command, "box:x" if command == "score" else "box", "--codex", version)
    assert done.returncode == ExitCode.USAGE
    assert f"remora provision ALIAS --codex {version}" in done.stderr.decode()


def test_a_path_is_not_a_version_to_install() -> None:
    done = remora("provision", "box", "--codex", "~/bin/codex")
    assert done.returncode == ExitCode.USAGE
    assert b"--codex names a version to install" in done.stderr


def test_a_host_in_the_place_of_a_manifest_is_shown_the_way(tmp_path: Path) -> None:
    (tmp_path / "devbox.toml").write_text("[hosts.devbox]\n")
    done = remora("provision", "devbox", folder=tmp_path)
    assert b"remora provision devbox --codex latest" in done.stderr


@pytest.mark.parametrize("words", [["box:5173"], ["box", "15173:5173"], ["box", "5173"]])
def test_a_port_is_understood_as_people_write_it(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    done = remora("forward", *words, "--json", "--ssh-config", str(tmp_path / "config"))
    assert json.loads(done.stdout)["error"]["code"] == "alias-unknown"


@pytest.mark.parametrize(
    "words", [["box", "1:2:3"], ["box", "x:5173"], ["box:src", "5173"], ["box", "1:2", "--local-port", "3"]]
)
def test_what_is_not_a_port_is_a_slip_with_a_way_that_works(words: list[str]) -> None:
    done = remora("forward", *words)
    assert done.returncode == ExitCode.USAGE
    assert b"remora forward" in done.stderr


def test_the_help_of_a_group_has_the_options_of_its_default() -> None:
    assert b"--local-port" in remora("forward", "--help").stdout
    assert b"--resolve" in remora("hosts", "--help").stdout

"""The five login shells under a real sshd, with start-up files as people have them."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing
from tests.support.codex.fake_codex import install
from tests.support.codex.launch_words import connected, facts_of, launched, nonce
from tests.support.sshd.account_sshd import AccountSshd

from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code, RemoraError
from remora.core.server.launch_plan import LaunchMode
from remora.core.server.probes import HostFacts
from remora.core.settings import Limits
from remora.flows.server.shell import ProbeRequest, open_shell

pytestmark = [pytest.mark.sshd, pytest.mark.shells]

SHELLS = ("bash", "zsh", "fish", "tcsh", "dash")
ALWAYS_READ = {
    "bash": ".bashrc",
    "zsh": ".zshenv",
    "fish": ".config/fish/config.fish",
    "tcsh": ".tcshrc",
    "dash": ".profile",
}
LIMITS = Limits()
STUCK = Limits(shell_silence=2.0, shell_total=4.0)
"""For shells that never answer: enough for a busy machine to answer where it does."""


def shell_path(name: str) -> str:
    return shutil.which(name) or missing(f"{name} is not installed")


def write(home: Path, name: str, text: str) -> None:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    with (home / name).open("a") as file:
        file.write(text + "\n")


def probe(sshd: AccountSshd) -> HostFacts:
    return noisy_probe(sshd)[0]


def noisy_probe(sshd: AccountSshd, limits: Limits = LIMITS) -> tuple[HostFacts, str]:
    """What a probe says, and all else that the shells said."""

    async def work() -> tuple[HostFacts, str]:
        async with (
            connected(sshd) as host,
            open_shell(host, clock=SystemClock(), limits=limits, nonce=nonce) as shell,
        ):
            return await shell.probe(ProbeRequest()), shell.noise

    return run(work())


def refusal(sshd: AccountSshd, limits: Limits = STUCK) -> RemoraError:
    """What the probe refuses; nothing of it stays on the host, while the connection still stands."""

    async def work() -> RemoraError:
        async with connected(sshd) as host:
            with pytest.raises(RemoraError) as caught:
                await facts_of(host, limits=limits)
            assert gone(sshd)
            return caught.value

    return run(work())


def gone(sshd: AccountSshd) -> bool:
    """Whether every process of every session ends by itself, soon."""
    deadline = time.monotonic() + 3.0
    while sshd.session_processes():
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


NOISES = {
    "text": ("printf 'welcome home\\n'", "welcome home"),
    "colours": ("printf '\\033[31mred\\033[0m \\033]0;title\\007\\n'", "red"),
    "no-newline": ("printf 'no end of line'", "no end of line"),
    "marker": ("printf '<0123456789abcdef>os=Plan9\\n<'", "Plan9"),
    "zeros": ("head -c 200 /dev/zero", ""),
    "megabyte": ("head -c 1048576 /dev/zero | tr '\\0' x", "xxxx"),
    "ten-megabytes": ("head -c 10485760 /dev/zero | tr '\\0' '\\n'", ""),
}


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("noise", NOISES)
def test_f28_rc_files_that_print_do_not_disturb_the_answers(name: str, noise: str) -> None:
    command, seen = NOISES[noise]
    with AccountSshd(shell_path(name)) as sshd:
        write(sshd.home, ALWAYS_READ[name], command)
        facts, said = noisy_probe(sshd)
        assert facts.os == "Linux"
        assert facts.login_shell == shell_path(name)
        assert facts.home == str(sshd.home)
        assert len(said) <= LIMITS.noise
        if name != "dash":
            assert seen in said
        assert gone(sshd)


PATH_LINES = {
    "bash": (
        ".bashrc",
        'case $- in *i*) ;; *) return ;; esac\nnvm() { PATH="$HOME/.nvm/bin:$PATH"; }\nnvm; export PATH',
    ),
    "zsh": (".zshrc", 'path=("$HOME/.nvm/bin" $path)'),
    "fish": (".config/fish/config.fish", "if status is-interactive\n  set -gx PATH $HOME/.nvm/bin $PATH\nend"),
    "tcsh": (".tcshrc", 'if ($?prompt) setenv PATH "$HOME/.nvm/bin:$PATH"'),
    "dash": (".profile", 'PATH="$HOME/.nvm/bin:$PATH"; export PATH'),
}


@pytest.mark.parametrize("name", SHELLS)
def test_f26_f27_f30_codex_is_found_and_started_in_the_environment_of_the_login_shell(name: str) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host, launched(host, limits=LIMITS) as server:
            codex = str(sshd.home / ".nvm/bin/codex")
            assert server.codex_path == codex
            assert server.facts.candidates[0].source == "path"
            assert server.mode is LaunchMode.DETACHED
            environment = await server.rpc.request("environment")
            assert environment["PATH"] == server.facts.path
            assert environment["PATH"].startswith(str(sshd.home / ".nvm/bin"))
            assert environment["TWO_LINES"] == 'it\'s\n"two" $lines `!'
            assert not [name for name in environment if name.startswith("remora_")]

    with AccountSshd(shell_path(name)) as sshd:
        file, lines = PATH_LINES[name]
        write(sshd.home, file, lines)
        interpreter = sshd.home / ".nvm/bin/node"
        install(sshd.home / ".nvm/bin/codex", interpreter="/usr/bin/env node")
        interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        interpreter.chmod(0o755)
        value = 'it\'s\n"two" $lines `!'
        write(sshd.home, ".remora-test", value)
        export = {
            "fish": "set -gx TWO_LINES (cat $HOME/.remora-test | string collect)",
            "tcsh": 'setenv TWO_LINES "it\'s\\\n"\'"two" $lines `!\'',
        }.get(name, 'TWO_LINES=$(cat "$HOME/.remora-test"); export TWO_LINES')
        write(sshd.home, file, export)
        run(work(sshd))


@pytest.mark.parametrize("name", ["bash", "zsh", "dash"])
def test_f30_our_helpers_run_with_an_empty_path(name: str) -> None:
    with AccountSshd(shell_path(name)) as sshd:
        write(sshd.home, ALWAYS_READ[name], "PATH=; export PATH")
        facts = probe(sshd)
        assert facts.architecture
        assert facts.path.startswith("/usr/local/bin:")


def test_f32_the_password_database_says_which_shell_not_the_environment() -> None:
    with AccountSshd(shell_path("zsh"), environment={"SHELL": "/bin/bash"}) as sshd:
        write(sshd.home, ".zshrc", "export FROM_ZSH=1; path=(/from/zsh $path)")
        facts = probe(sshd)
        assert facts.login_shell == shell_path("zsh")
        assert facts.path.startswith("/from/zsh:")


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("bash", ".bashrc", "exec zsh -l"),
        ("bash", ".bashrc", "exec dash"),
        ("bash", ".bashrc", "exec tmux"),
        ("bash", ".bashrc", "exec fish"),
        ("bash", ".bashrc", "exec tcsh"),
        ("zsh", ".zshenv", "exec dash"),
        ("fish", ".config/fish/config.fish", "exec dash"),
        ("tcsh", ".tcshrc", "exec dash"),
    ],
)
def test_f29_b20_a_replaced_shell_is_named_with_file_and_guard(name: str, file: str, line: str) -> None:
    with AccountSshd(shell_path(name)) as sshd:
        write(sshd.home, file, f"# exec nothing here\n{line}")
        started = time.monotonic()
        error = refusal(sshd)
        assert error.code is Code.SHELL_REPLACED
        assert error.exit_code == 7
        if line == "exec tmux":  # nothing but tmux runs on that host, so nobody can look
            assert file in error.next_step
        else:
            assert f"{sshd.home / file} line 2" in error.next_step
            assert line in error.next_step
        assert time.monotonic() - started < 5


def test_f29_a_guarded_replacement_is_survived() -> None:
    with AccountSshd(shell_path("bash")) as sshd:
        write(sshd.home, ".bashrc", "case $- in *i*) exec zsh -l ;; esac")
        write(sshd.home, ".zprofile", "path=(/from/zsh $path)")
        assert probe(sshd).path.startswith("/from/zsh:")
        assert gone(sshd)


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("bash", ".bashrc", "read -p 'continue? ' answer"),
        ("bash", ".bashrc", "while read -r answer; do :; done"),
        ("bash", ".bashrc", "cat"),
        ("zsh", ".zshenv", "read answer"),
        ("fish", ".config/fish/config.fish", "read answer"),
        ("tcsh", ".tcshrc", "set answer = $<"),
    ],
)
def test_f31_b21_a_shell_that_waits_for_input_is_told_apart(name: str, file: str, line: str) -> None:
    with AccountSshd(shell_path(name)) as sshd:
        write(sshd.home, file, line)
        error = refusal(sshd)
        assert error.code is Code.SHELL_WAITS_FOR_INPUT
        assert f"{sshd.home / file} line 1" in error.next_step


@pytest.mark.parametrize("line", ["sleep 3600", "while :; do :; done", "while :; do echo again; sleep 0.1; done"])
@pytest.mark.parametrize("interactive", [False, True])
def test_f31_a_shell_that_never_ends_leaves_nothing_behind(line: str, interactive: bool) -> None:
    with AccountSshd(shell_path("bash"), ordinary=True) as sshd:
        guard = "case $- in *i*) ;; *) return ;; esac\n" if interactive else ""
        write(sshd.home, ".bashrc", guard + line)
        error = refusal(sshd)
        assert error.code is Code.SHELL_NEVER_ENDS
        assert ".bashrc" in error.next_step or "start-up" in error.message


def test_f31_a_slow_shell_has_time_while_it_talks() -> None:
    with AccountSshd(shell_path("bash")) as sshd:
        write(sshd.home, ".bashrc", "for i in 1 2 3 4 5; do sleep 0.4; echo still here; done")
        limits = Limits(shell_silence=1.5, shell_total=20.0)
        facts, said = noisy_probe(sshd, limits)
        assert facts.os == "Linux"
        assert said.count("still here") >= 5


@pytest.mark.parametrize("shell", ["/bin/false", "/usr/sbin/nologin", "/bin/rbash"])
def test_a_login_shell_that_runs_nothing_is_reported(shell: str) -> None:
    with AccountSshd(shell) as sshd:
        error = refusal(sshd)
        assert error.code is Code.SHELL_FAILED
        assert error.exit_code == 7


def test_f62_windows_is_told_in_one_line() -> None:
    answer = "'exec' is not recognized as an internal or external command,\\r\\noperable program or batch file.\\r\\n"
    with AccountSshd("/bin/sh", options=[f'ForceCommand printf "{answer}"; exit 1']) as sshd:
        error = refusal(sshd)
        assert error.code is Code.UNSUPPORTED_REMOTE_OS

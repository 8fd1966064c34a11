"""What real shells complete: files of this machine where one belongs, and nowhere else."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.program import remora
from tests.support.base.required import missing
from tests.support.screen.tmux import Tmux

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
BEGIN = {"bash": "", "zsh": "autoload -Uz compinit; compinit -D; ", "fish": ""}
"""What a shell needs before."""
NO_FILE = [
    "run box --thread ",
    "run box --thread the",
    "run box --model ",
    "run box --sandbox the",
    "check the",
    "forward box the",
    "login box --api-key-from ",
    "wait box --for the",
]
FILE = ["hosts --config ", "run box hi --image the", "tui box --client the", "provision the"]


def environment(folder: Path) -> dict[str, str]:
    """This remora first on the PATH, and an SSH config with one alias."""
    config = folder / "config"
    config.write_text("Host box\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "REMORA_SSH_CONFIG": str(config), "HOME": str(folder), "TMPDIR": str(folder), "PS1": "> "}


@pytest.mark.parametrize("shell", list(SHELLS))
def test_a_shell_offers_files_where_one_belongs_and_nowhere_else(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        missing(f"{shell} is not installed")
    here = tmp_path / "here"
    here.mkdir()
    (here / "thefile.png").touch()
    settings = {**environment(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = remora("--show-completion", shell, environment=settings)
    script = tmp_path / "completion"
    script.write_bytes(shown.stdout)

    async def go(terminal: Tmux) -> None:
        terminal.type(f"{BEGIN[shell]}cd {here}; source {script}; echo pre''pared")
        terminal.press("Enter")
        await terminal.shows("prepared")
        for number, line in enumerate(NO_FILE):
            terminal.type(f"remora {line}")
            terminal.press("Tab")
            terminal.type(f"END{number}")  # read when the shell has its answer
            await terminal.shows(f"{line}END{number}")
            terminal.press("C-u")
        assert "thefile" not in terminal.screen()
        for line in FILE:
            terminal.type(f"remora {line}")
            terminal.press("Tab")
            await terminal.shows(f"{line.removesuffix('the')}thefile.png")
            terminal.press("C-u")

    with Tmux(SHELLS[shell], environment=settings) as terminal:
        run(go(terminal))

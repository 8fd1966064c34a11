"""The scripts for the other machine are shipped and are plain sh."""

import shutil
import subprocess
from importlib.resources import files

import pytest
from tests.support.required import missing

SCRIPTS = ("prelude", "entry", "probe", "launch", "owner")


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_shell_that_may_get_a_script_can_parse_it(shell: str, name: str) -> None:
    program = shutil.which(shell) or missing(f"{shell} is not installed")
    text = files("remora.remote").joinpath(f"{name}.sh").read_bytes()
    done = subprocess.run([program, "-n"], input=b"{\n" + text + b"}\n", capture_output=True, check=False)
    assert done.stderr == b""

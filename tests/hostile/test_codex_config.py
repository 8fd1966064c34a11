"""A configuration of codex on the host that cannot be used: each command says so, with codex's own words."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.until import LIMIT
from tests.support.codex.binaries import NEWEST, VERSIONS
from tests.support.codex.generations import host_with
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import Code, ExitCode

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "syntax": (lambda file: file.write_text('model = "x\n'), "config.toml:1:11"),
    "unknown-value": (lambda file: file.write_text('sandbox_mode = "bogus"\n'), "unknown variant `bogus`"),
    "wrong-type": (lambda file: file.write_text("model = 7\n"), "expected a string"),
    "utf-16": (lambda file: file.write_bytes('model = "x"\n'.encode("utf-16")), "config.toml"),
    "nul-bytes": (lambda file: file.write_bytes(bytes(100)), "config.toml"),
    "folder": (lambda file: file.mkdir(), "is no"),
    "fifo": (lambda file: os.mkfifo(file), "is no"),
}


@dataclass
class Command:
    sshd: AccountSshd
    environment: dict[str, str]

    def __call__(self, *words: str, typed: str = "") -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "remora", *words, "--json", "--timeout", "60"],
            env=self.environment, input=typed, capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(params=[NEWEST])
def remora(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Command]:
    with host_with(request.param) as sshd:
        config = tmp_path / "config"
        config.write_text(sshd.ssh_config())
        (sshd.home / ".codex").mkdir(exist_ok=True)
        yield Command(sshd, {**os.environ, "REMORA_SSH_CONFIG": str(config)})


def check_and_run(remora: Command, kind: str) -> None:
    make, words = BROKEN[kind]
    make(remora.sshd.home / ".codex/config.toml")
    status, document = remora("check", "devbox")
    stages = document["hosts"][0]["stages"]
    (stage,) = [stage for stage in stages if stage["stage"] == "codex"]
    assert (stage["outcome"], stage["error"]["code"]) == ("failed", Code.CODEX_CONFIG), document
    others = [each["error"]["code"] for each in stages if each["error"] is not None and each is not stage]
    assert Code.LOGIN_MISSING not in others, "nobody can say whether it is missing"
    assert words in stage["error"]["seen"]
    assert status == ExitCode.APP_SERVER
    before = sorted(path.name for path in remora.sshd.home.joinpath(".codex").iterdir())
    assert before == ["config.toml"], "a check changes nothing"
    status, document = remora("run", "devbox:project", "hi")
    assert document["error"]["code"] == Code.CODEX_CONFIG, document
    assert "config.toml" in document["error"]["seen"]
    assert "update codex" not in document["error"]["next"].lower()
    assert status == ExitCode.APP_SERVER


@pytest.mark.parametrize("kind", BROKEN)
def test_a_configuration_that_codex_cannot_use_is_said_by_check_and_by_run(remora: Command, kind: str) -> None:
    check_and_run(remora, kind)


@pytest.mark.parametrize("remora", VERSIONS[:-1], indirect=True)
def test_every_generation_says_that_its_configuration_is_broken(remora: Command) -> None:
    check_and_run(remora, "syntax")


def test_a_login_beside_a_broken_configuration_names_that_and_not_the_secret(remora: Command) -> None:
    file = remora.sshd.home / ".codex/config.toml"
    file.write_text("model = 7\n")
    status, document = remora("login", "devbox", "--with-api-key", typed="sk-canary-7\n")
    assert (status, document["error"]["code"]) == (ExitCode.APP_SERVER, Code.CODEX_CONFIG), document
    assert f"{file}:1:9: invalid type" in document["error"]["seen"]
    assert "sk-canary-7" not in json.dumps(document)
    assert not (remora.sshd.home / ".codex/auth.json").exists()


def test_a_configuration_that_can_be_used_is_no_failure(remora: Command) -> None:
    (remora.sshd.home / ".codex/config.toml").write_text('model = "x"\nsandbox_mode = "read-only"\n')
    _, document = remora("check", "devbox")
    (stage,) = [stage for stage in document["hosts"][0]["stages"] if stage["stage"] == "codex"]
    assert stage["outcome"] == "ok"

"""Secrets as they are read on this machine; what they are is never told."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run

from remora.adapters.files.secret_sources import SecretSources
from remora.core.errors import Code, ConfigProblem
from remora.core.failure_lines import failure_lines
from remora.core.settings import DEFAULT_LIMITS

CANARY = "sk-canary-0123456789"
LIMITS = replace(DEFAULT_LIMITS, secret=1000, secret_command=10.0)


def read(
    reader: SecretSources,
    *,
    environment: str | None = None,
    file: Path | None = None,
    command: Sequence[str] | None = None,
) -> str:
    async def go() -> str:
        secret = await reader.read(environment=environment, file=None if file is None else str(file), command=command)
        assert CANARY not in f"{secret} {secret!r}"
        return secret.reveal()

    return run(go())


def refusal(
    reader: SecretSources,
    *,
    environment: str | None = None,
    file: Path | None = None,
    command: Sequence[str] | None = None,
) -> str:
    with pytest.raises(ConfigProblem) as caught:
        read(reader, environment=environment, file=file, command=command)
    assert caught.value.code is Code.SECRET_MISSING
    text = "\n".join(failure_lines(caught.value))
    assert CANARY not in text
    return text


def sources(**environment: str) -> SecretSources:
    return SecretSources(LIMITS, environment=environment)


def test_each_kind_is_read_without_the_newline_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\n")
    assert read(sources(KEY=CANARY), environment="KEY") == CANARY
    assert read(sources(), file=file) == CANARY
    assert read(sources(), command=["printf", "%s\\n", f"{CANARY}"]) == CANARY


def test_words_of_a_command_go_through_no_shell() -> None:
    assert read(sources(), command=["echo", "$HOME;", "*"]) == "$HOME; *"


def test_what_is_missing_or_empty_is_told_by_name(tmp_path: Path) -> None:
    assert "variable KEY is not set" in refusal(sources(), environment="KEY")
    assert "variable KEY gives no data" in refusal(sources(KEY=" \n"), environment="KEY")
    assert str(tmp_path / "none") in refusal(sources(), file=tmp_path / "none")
    assert "/no/such/program" in refusal(sources(), command=["/no/such/program", CANARY])
    assert "gives no data" in refusal(sources(), command=["true"])


def test_a_command_that_fails_tells_neither_its_words_nor_its_output() -> None:
    text = refusal(sources(), command=["sh", "-c", f"echo {CANARY}; echo {CANARY} >&2; exit 3"])
    assert "exit status 3" in text


def test_what_is_too_much_or_takes_too_long_is_ended(tmp_path: Path) -> None:
    assert "more than 1000 bytes" in refusal(sources(), command=["yes"])
    file = tmp_path / "key"
    file.write_text("x" * 1001)
    assert "more than 1000 bytes" in refusal(sources(), file=file)
    hasty = SecretSources(replace(LIMITS, secret_command=0.05), environment={})
    assert "did not end" in refusal(hasty, command=["sleep", "60"])


def test_bytes_that_are_no_text_are_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(sources(), file=file)
    assert "NUL byte" in refusal(sources(), command=["printf", "%b", f"{CANARY}\\0more"])


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o644, True), (0o640, True)])
def test_a_file_that_others_can_read_is_noted(tmp_path: Path, mode: int, exposed: bool) -> None:
    file = tmp_path / "key"
    file.write_text(CANARY)
    file.chmod(mode)
    reader = sources()
    read(reader, file=file)
    assert reader.exposed == ({str(file)} if exposed else set())


def test_a_command_runs_once_for_all_hosts(tmp_path: Path) -> None:
    count = tmp_path / "count"
    reader = sources()

    async def go() -> list[str]:
        words = ["sh", "-c", f"echo x >> {count}; echo {CANARY}"]
        secrets = await asyncio.gather(*(reader.read(environment=None, file=None, command=words) for _ in range(20)))
        return [secret.reveal() for secret in secrets]

    assert run(go()) == [CANARY] * 20
    assert count.read_text() == "x\n"


def test_what_was_read_is_hidden_wherever_it_turns_up() -> None:
    reader = sources(KEY=f"{CANARY}\nsecond-line-of-it", SHORT="1234")
    assert reader.hide(f"before {CANARY}") == f"before {CANARY}"
    read(reader, environment="KEY")
    read(reader, environment="SHORT")
    hidden = reader.hide(f"+ export KEY={CANARY}; second-line-of-it; 1234 files")
    assert hidden == "+ export KEY=••••••; ••••••; 1234 files"

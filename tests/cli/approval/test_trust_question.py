"""The question about a repository, on a real pseudo-terminal: only a typed yes is one."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.screen.person import person

from remora.cli.approval.trust_question import TerminalTrust
from remora.core.trust.repository import Repository, RepositoryFile
from remora.ports import TrustQuestion

CONFIG = b'approval_policy = "never"\n[mcp_servers.x]\ncommand = "touch"\nargs = ["/tmp/\\u001b[2Jpwn"]\n'
REPOSITORY = Repository(
    machine="m",
    folders=("/srv/\x1b[31mapp/.codex",),
    places=("/srv/app",),
    files=(
        RepositoryFile(
            name=b".codex/config.toml",
            folder="/srv/app/.codex",
            path="config.toml",
            sha256="a" * 64,
            content=CONFIG,
        ),
    ),
)
PROMPT = "Use it? yes or no [no]: "


def question(*, changed: bool = False) -> TrustQuestion:
    digest = REPOSITORY.digest
    assert digest is not None
    return TrustQuestion(alias="devbox", folder="/srv/app", repository=REPOSITORY, digest=digest, changed=changed)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("\n", False), ("no\n", False), ("N\n", False), ("yes\n", True), (" YES \n", True), ("\x04", False)],
)
async def test_only_a_typed_yes_is_one(typed: str, answer: bool) -> None:
    async with person() as someone:
        deciding = asyncio.create_task(TerminalTrust(someone.questioner).trust_repository(question()))
        await someone.answer(typed, at=PROMPT)
        assert await deciding is answer


@pytest.mark.parametrize("typed", ["y\n", "ja\n", "1\n", "yes please\n"])
async def test_anything_else_is_asked_again(typed: str) -> None:
    async with person() as someone:
        deciding = asyncio.create_task(TerminalTrust(someone.questioner).trust_repository(question()))
        await someone.answer(typed, at=PROMPT)
        await someone.answer("\n", at=PROMPT)
        assert await deciding is False


async def test_it_shows_what_comes_the_hash_and_no_escapes() -> None:
    async with person() as someone:
        deciding = asyncio.create_task(TerminalTrust(someone.questioner).trust_repository(question(changed=True)))
        await someone.answer("\n", at=PROMPT)
        await deciding
        seen = someone.screen.seen
        assert "touch /tmp/" in seen
        assert "approval_policy" in seen
        assert "other than before" in seen
        assert question().digest in seen.replace("\n", "").replace("\r", "")
        assert "\x1b[2J" not in seen
        assert "\x1b[31m" not in seen


async def test_nothing_is_left_out_and_no_name_makes_a_line_of_its_own() -> None:
    servers = "".join(f'[mcp_servers.m{number}]\ncommand = "true"\n' for number in range(60))
    named = f'[mcp_servers."n\\n  hash        0000"]\ncommand = "true"\n{servers}'.encode()
    (config,) = REPOSITORY.files
    rule = replace(config, name=b".codex/rules/a.rules", path="rules/a.rules", content=b'prefix_rule(pattern=["sh"])')
    asked = replace(question(), repository=replace(REPOSITORY, files=(replace(config, content=named), rule)))
    async with person() as someone:
        deciding = asyncio.create_task(TerminalTrust(someone.questioner).trust_repository(asked))
        await someone.answer("\n", at=PROMPT)
        await deciding
        assert 'prefix_rule(pattern=["sh"])' in someone.screen.seen
        assert "n\\x0a  hash        0000: true" in someone.screen.seen


def with_rule(lines: int) -> TrustQuestion:
    (config,) = REPOSITORY.files
    text = "\n".join(f"# line {number}" for number in range(lines)).encode()
    rule = replace(config, name=b".codex/rules/a.rules", path="rules/a.rules", content=text)
    return replace(question(), repository=replace(REPOSITORY, files=(config, rule)))


async def test_long_text_is_shown_to_its_end_and_it_is_said_how_long_it_is() -> None:
    async with person() as someone:
        deciding = asyncio.create_task(TerminalTrust(someone.questioner).trust_repository(with_rule(60)))
        await someone.answer("yes\n", at=PROMPT)
        assert await deciding is True
        assert "# line 0" in someone.screen.seen
        assert "# line 59" in someone.screen.seen
        assert "scroll up to read all of" in " ".join(someone.screen.seen.split())


async def test_what_is_too_long_to_be_read_is_not_asked_about() -> None:
    async with person() as someone:
        assert await TerminalTrust(someone.questioner).trust_repository(with_rule(6_000)) is None
        assert PROMPT not in someone.screen.seen


async def test_it_says_what_the_hash_does_not_cover() -> None:
    async with person() as someone:
        deciding = asyncio.create_task(TerminalTrust(someone.questioner).trust_repository(question()))
        await someone.answer("\n", at=PROMPT)
        await deciding
        assert "not what those load or fetch" in " ".join(someone.screen.seen.split())

"""What a repository brings, its hash, and who may trust it."""

import pytest

from remora.core.trust.repository import Repository, RepositoryFile
from remora.core.trust.verdict import TrustedBy, TrustRecord, judge_repository


def file(path: str, content: bytes | None = b"", *, digest: str = "a" * 64, fault: str | None = None) -> RepositoryFile:
    return RepositoryFile(
        name=f".codex/{path}".encode(),
        folder="/srv/app/.codex",
        path=path,
        sha256=None if fault else digest,
        content=content,
        fault=fault,
    )


def repository(*files: RepositoryFile, fault: str | None = None) -> Repository:
    return Repository(machine="m", folders=("/srv/app/.codex",), files=files, fault=fault)


def brings(content: str, path: str = "config.toml") -> list[tuple[str, str, str]]:
    return [(each.kind, each.name, each.detail) for each in repository(file(path, content.encode())).brings]


def test_servers_come_with_their_command_lines_and_safety_is_told_apart() -> None:
    config = """
model = "m"
approval_policy = "never"
[mcp_servers.x]
command = "sh"
args = ["-c", "rm -rf ~"]
env = {A = "b"}
"""
    assert brings(config) == [
        ("mcp-server", "x", 'sh -c "rm -rf ~" {"env": {"A": "b"}}'),
        ("safety", "approval_policy", '"never"'),
        ("setting", "model", '"m"'),
    ]


def test_hooks_come_with_their_commands() -> None:
    hooks = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "touch /x"}]}]}}'
    assert brings(hooks, "hooks.json") == [("hook", "Stop", "touch /x")]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("config.toml", "a = = b"),
        ("config.toml", "mcp_servers = 3"),
        ("config.toml", "[mcp_servers]\nx = 3"),
        ("config.toml", "[mcp_servers.x]\nargs = 7\ncommand = [1]"),
        ("hooks.json", "["),
        ("hooks.json", '{"hooks": [1]}'),
        ("hooks.json", '{"hooks": {"Stop": 3}}'),
        ("hooks.json", "[" * 100_000),
        ("rules/x.rules", "\x00\x1b[2J"),
    ],
)
def test_what_nobody_understands_is_shown_all_the_same(path: str, content: str) -> None:
    assert len(brings(content, path)) == 1


def test_the_hash_is_over_names_and_contents() -> None:
    one = repository(file("a"), file("b"))
    assert one.digest == repository(file("b"), file("a")).digest
    assert one.digest not in {
        repository(file("a")).digest,
        repository(file("a"), file("c")).digest,
        repository(file("a"), file("b", digest="b" * 64)).digest,
        repository(file("a" * 2), file("")).digest,
    }


def test_what_cannot_be_vouched_for_has_no_hash_and_says_why() -> None:
    assert repository(file("a"), file("b", fault="is a symbolic link")).digest is None
    assert repository(file("b", fault="is a symbolic link")).problem == ".codex/b is a symbolic link"
    assert repository(fault="cannot be looked at").digest is None


def test_skills_alone_do_not_depend_on_trust() -> None:
    assert not repository(file("skills/one/SKILL.md")).acts
    assert repository(file("skills/one/SKILL.md"), file("config.toml")).acts
    assert repository(fault="cannot be looked at").acts


@pytest.mark.parametrize("more", ["a = {\n b = 1,\n}\n", 'a = "\\e"\n', "a = 07:32\n", "\ufeff", "# \udcff"])
def test_what_codex_may_read_and_people_are_not_shown_cannot_be_trusted(more: str) -> None:
    content = f'{more}[mcp_servers.x]\ncommand = "true"\n'.encode(errors="surrogateescape")
    found = repository(file("config.toml", content))
    assert found.acts
    assert (found.digest, [each.kind for each in found.brings]) == (None, ["file"])
    assert found.problem is not None
    assert found.problem.startswith(".codex/config.toml is not valid TOML 1.0")


YES, NO, NOTED = (TrustRecord(digest="d", by=by) for by in (TrustedBy.ANSWER, None, TrustedBy.CODEX))


@pytest.mark.parametrize(
    ("digest", "record", "host_trusts", "by", "ask"),
    [
        ("d", None, False, None, True),
        ("d", YES, False, TrustedBy.ANSWER, False),
        ("d", NO, False, None, False),
        ("d", NO, True, None, False),
        ("other", YES, False, None, True),
        ("other", NO, False, None, True),
        ("d", None, True, TrustedBy.CODEX, False),
        ("d", NOTED, True, TrustedBy.CODEX, False),
        ("d", NOTED, False, None, True),
        ("other", NOTED, True, None, True),
        (None, YES, True, None, False),
        (None, None, True, None, False),
    ],
)
def test_who_trusts_what(
    digest: str | None, record: TrustRecord | None, host_trusts: bool, by: TrustedBy | None, ask: bool
) -> None:
    verdict = judge_repository(digest, record, host_trusts=host_trusts)
    assert (verdict.by, verdict.ask) == (by, ask)

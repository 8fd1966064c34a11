"""What a repository brings, its hash, and who may trust it."""

import json
from dataclasses import replace

import pytest

from remora.core.trust.repository import NamedFile, Repository, RepositoryFile
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


def repository(
    *files: RepositoryFile, named: tuple[NamedFile, ...] = (), working: str = "/srv/app", fault: str | None = None
) -> Repository:
    return Repository(
        machine="m",
        folders=("/srv/app/.codex",),
        places=("/srv/app",),
        files=files,
        named=named,
        working=working,
        fault=fault,
    )


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
    assert repository(fault="cannot be read").digest is None


def test_skills_alone_do_not_depend_on_trust() -> None:
    assert not repository(file("skills/one/SKILL.md")).acts
    assert repository(file("skills/one/SKILL.md"), file("config.toml")).acts
    assert repository(fault="cannot be read").acts


@pytest.mark.parametrize("more", ["a = {\n b = 1,\n}\n", 'a = "\\e"\n', "a = 07:32\n", "\ufeff", "# \udcff"])
def test_what_codex_may_read_and_people_are_not_shown_cannot_be_trusted(more: str) -> None:
    content = f'{more}[mcp_servers.x]\ncommand = "true"\n'.encode(errors="surrogateescape")
    found = repository(file("config.toml", content))
    assert found.acts
    assert (found.digest, [each.kind for each in found.brings]) == (None, ["file"])
    assert found.problem is not None
    assert found.problem.startswith(".codex/config.toml is not valid TOML 1.0")


def may_name(content: str, path: str = "config.toml", *, working: str = "/srv/app") -> frozenset[str]:
    return repository(file(path, content.encode()), working=working).may_name


HOOK = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": %s}]}]}}'


@pytest.mark.parametrize(
    "command",
    [
        "./scripts/x.sh",
        "scripts/x.sh --all",
        "bash -c './scripts/x.sh && true'",
        "sh scripts/../scripts//x.sh",
        "$(git rev-parse --show-toplevel)/scripts/x.sh",
        '"$HOME/app/scripts/x.sh"',
        "~/app/scripts/x.sh",
        "/srv/app/scripts/x.sh",
        "/other/spelling/of/app/scripts/x.sh",
        "cd scripts && ./x.sh",
        "A=1;scripts/x.sh|cat",
        "run --script=scripts/x.sh",
        "cat<scripts/x.sh",
    ],
)
def test_a_script_that_a_hook_runs_is_part_of_it_however_it_is_called(command: str) -> None:
    assert "/srv/app/scripts/x.sh" in may_name(HOOK % json.dumps(command), "hooks.json")


@pytest.mark.parametrize(
    ("content", "path", "named"),
    [
        ('[mcp_servers.x]\ncommand = "node"\nargs = ["tools/x.js"]', "config.toml", "/srv/app/tools/x.js"),
        ('[mcp_servers.x]\ncommand = "./x"\ncwd = "tools"', "config.toml", "/srv/app/tools/x"),
        ('[mcp_servers.x]\ncommand = "python3"\nargs = ["-m", "a.b"]', "config.toml", "/srv/app/a/b.py"),
        ('[mcp_servers.x]\ncommand = "sh"\nargs = ["x"]\nenv = {E = "e.sh"}', "config.toml", "/srv/app/e.sh"),
        ('[mcp_servers.x]\ncommand = "\\u002e/x.sh"', "config.toml", "/srv/app/x.sh"),
        ('[mcp_servers.x]\ncommand = "./my script"', "config.toml", "/srv/app/my script"),
        ('[[hooks.Stop]]\nhooks = [{type = "command", command = "./x.sh"}]', "config.toml", "/srv/app/x.sh"),
        ('anything.at.all = [["deep/x.sh"]]', "config.toml", "/srv/app/deep/x.sh"),
        ('prefix_rule(pattern=["./x.sh", "a"], decision="allow")', "rules/a.rules", "/srv/app/x.sh"),
        ('[mcp_servers.x]\ncommand = "./x.sh"', "agents/a.toml", "/srv/app/x.sh"),
        ('{"hooks": {}, "hooks": {"Stop": "./x.sh"}}', "hooks.json", "/srv/app/x.sh"),
    ],
)
def test_a_file_that_anything_names_is_part_of_it(content: str, path: str, named: str) -> None:
    assert named in may_name(content, path)


def test_names_are_seen_from_the_folder_of_the_thread_too_and_what_is_in_codex_is_not_named_twice() -> None:
    found = may_name('[mcp_servers.x]\ncommand = "./x.sh"\nargs = [".codex/y"]', working="/srv/app/sub")
    assert {"/srv/app/x.sh", "/srv/app/sub/x.sh"} <= found
    assert "/srv/app/.codex/y" not in found


@pytest.mark.parametrize(
    "content", ['x = "\\u0000"', "[" * 3000, 'x = "' + "a/" * 3000 + '"', '{"a": "\\ud800"}', 'x = "../.."']
)
def test_no_text_keeps_the_names_from_being_looked_for(content: str) -> None:
    for path in ("config.toml", "hooks.json", "rules/a.rules"):
        assert not [name for name in may_name(content, path) if name == "/" or "\0" in name]


def test_the_content_of_a_named_file_counts() -> None:
    config = file("config.toml", b'[mcp_servers.x]\ncommand = "./x.sh"')
    script = NamedFile(path="/srv/app/x.sh", sha256="b" * 64)
    whole = repository(config, named=(script,))
    assert ("program", "x.sh", "") in [(each.kind, each.name, each.detail) for each in whole.brings]
    others = (repository(config), repository(config, named=(replace(script, sha256="c" * 64),)))
    assert whole.digest not in {other.digest for other in others}
    assert whole.digests is not None
    assert [whole.digests] not in [[other.digests] for other in others]
    large = repository(config, named=(replace(script, sha256=None, fault="is too large"),))
    assert (large.digest, large.problem) == (None, "x.sh is too large")


def test_a_hook_is_shown_with_all_that_it_says() -> None:
    hooks = """{"hooks": {"Stop": [{"matcher": "m", "hooks": [{"type": "command", "command": "a", "timeout": 9},
        {"type": "prompt", "prompt": "p"}]}]}, "other": 1}"""
    details = [detail for _, _, detail in brings(hooks, "hooks.json")]
    assert details == [
        'a {"matcher": "m", "timeout": 9}',
        '{"matcher": "m", "type": "prompt", "prompt": "p"}',
        '{"other": 1}',
    ]
    twice = '{"hooks": {}, "hooks": {"Stop": []}}'
    assert brings(twice, "hooks.json") == [("hook", ".codex/hooks.json", twice)]


def test_nothing_that_is_shown_is_cut() -> None:
    long = "x" * 30_000
    assert long in brings(f'[mcp_servers.x]\ncommand = "{long}"')[0][2]
    assert brings(long, "rules/a.rules")[0][2] == long
    assert brings(long, "agents/a.toml") == [("file", ".codex/agents/a.toml", long)]


YES, NO, NOTED = (TrustRecord(digest="d", by=by) for by in (TrustedBy.ANSWER, None, TrustedBy.CODEX))
NAMED = TrustRecord(digest="d", by=TrustedBy.MANIFEST)


@pytest.mark.parametrize(
    ("digest", "record", "host_trusts", "by", "ask"),
    [
        ("d", None, False, None, True),
        ("d", YES, False, TrustedBy.ANSWER, False),
        ("d", NAMED, False, TrustedBy.MANIFEST, False),
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
    records = {} if record is None else {"/a": record}
    verdict = judge_repository(None if digest is None else {"/a": digest}, records, host_trusts=host_trusts)
    assert (verdict.by, verdict.ask) == (by, ask)


@pytest.mark.parametrize(
    ("top", "below", "host_trusts", "by", "ask", "note"),
    [
        (YES, None, False, None, True, False),
        (YES, None, True, TrustedBy.CODEX, False, True),
        (NOTED, None, True, TrustedBy.CODEX, False, True),
        (TrustRecord(digest="other", by=TrustedBy.CODEX), None, True, None, True, False),
        (NO, None, True, None, True, False),
        (NO, YES, True, None, False, False),
        (YES, YES, False, TrustedBy.ANSWER, False, False),
        (YES, NOTED, True, TrustedBy.CODEX, False, False),
        (YES, NOTED, False, None, True, False),
    ],
)
def test_each_folder_counts_by_itself(
    top: TrustRecord, below: TrustRecord | None, host_trusts: bool, by: TrustedBy | None, ask: bool, note: bool
) -> None:
    records = {"/a": top} if below is None else {"/a": top, "/a/b": below}
    verdict = judge_repository({"/a": "d", "/a/b": "d"}, records, host_trusts=host_trusts)
    assert (verdict.by, verdict.ask, verdict.note) == (by, ask, note)

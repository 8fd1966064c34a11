"""``remora trust``: what is remembered of repositories, and taking it back."""

import json
from pathlib import Path

import pytest
from tests.support.base.program import remora

from remora.adapters.records.trust_memory import TrustFile
from remora.core.errors import ExitCode
from remora.core.trust.verdict import TrustedBy, TrustRecord

MACHINE = "0a1b2c3d /home/me/.codex"


@pytest.fixture
def memory(tmp_path: Path) -> TrustFile:
    memory = TrustFile(tmp_path / "remora")
    for number, (folder, by) in enumerate(
        [("/home/me/app", TrustedBy.ANSWER), ("/home/me/no", None), ("/srv/\x1b[2J\u202egone", TrustedBy.CODEX)]
    ):
        memory.remember(MACHINE, folder, TrustRecord(digest=f"{number}" * 64, by=by, alias="devbox"))
    memory.expect("0a1b2c3d", "/home/me/app", TrustRecord(digest="f" * 64, by=TrustedBy.MANIFEST, alias="devbox"))
    return memory


def test_the_list_names_host_folder_hash_and_who_said_so(memory: TrustFile, tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    done = remora("trust", environment=environment)
    lines = done.stdout.decode().splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [
        ["devbox", "/home/me/app", "0" * 12],
        ["devbox", "/home/me/no", "1" * 12],
    ]
    assert [line.partition("trusted")[1] for line in lines[:2]] == ["trusted", "trusted"]
    assert "not trusted (answered no)" in lines[1]
    assert "a manifest" in lines[3]
    assert (done.returncode, b"\x1b" in done.stdout, "\u202e" in done.stdout.decode()) == (0, False, False)
    document = json.loads(remora("trust", "list", "--json", environment=environment).stdout)
    assert (document["kind"], len(document["kept"])) == ("trust", 4)
    assert document["kept"][1] == {
        "host": "devbox",
        "folder": "/home/me/no",
        "trusted_by": None,
        "hash": "1" * 64,
        "machine": MACHINE,
    }


def test_what_is_revoked_is_gone_and_what_is_not_there_is_told(memory: TrustFile, tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    for place in ("devbox:/home/me", "other:/home/me/app", "other"):
        done = remora("trust", "revoke", place, environment=environment)
        assert (done.returncode, b"List the records with: remora trust" in done.stderr) == (ExitCode.USAGE, True)
    assert len(memory.kept()) == 4
    done = remora("trust", "revoke", "devbox:~/app", "--json", environment=environment)
    document = json.loads(done.stdout)
    assert (document["kind"], [each["trusted_by"] for each in document["revoked"]]) == (
        "trust-revoked",
        ["answer", "manifest"],
    )
    assert not memory.expects("0a1b2c3d", "/home/me/app", "f" * 64)
    assert remora("trust", "revoke", "devbox", environment=environment).returncode == 0
    assert remora("trust", environment=environment).stdout == b"No repository is recorded.\n"

"""A4: aliases of one machine that connect at once share one link, each with its own name and socket."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.support.codex.fake_codex import install
from tests.support.link.chain import end_servers, furnish_host, processes_on
from tests.support.link.hubs import hub_place
from tests.support.sshd.system_sshd import SystemSshd

pytestmark = pytest.mark.sshd

ALIASES = [f"box{number}" for number in range(12)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    path = Path(mkdtemp(prefix="a"))
    yield path
    shutil.rmtree(path)


def test_a4_aliases_of_one_machine_that_connect_at_once_share_one_link(folder: Path) -> None:
    with SystemSshd(folder) as sshd:
        furnish_host(sshd, install(folder / "programs/codex"))
        config = folder / "config"
        config.write_text("".join(sshd.ssh_config(alias) for alias in ALIASES))
        with hub_place(REMORA_SSH_CONFIG=str(config)) as place:
            report = place.document("connect", *ALIASES)
            assert [(host["host"], host["ok"]) for host in report["hosts"]] == [(alias, True) for alias in ALIASES]
            (link,) = place.document("status")["links"]
            assert sorted(link["aliases"]) == sorted(ALIASES)
            for host in report["hosts"]:
                assert Path(host["link"]["socket"]).is_socket()
            assert len(processes_on(sshd).relays) == 1
            gone = place.document("disconnect", *ALIASES[1:])
            assert [host["changed"] for host in gone["hosts"]] == [True] * (len(ALIASES) - 1)
            (link,) = place.document("status")["links"]
            assert (link["aliases"], link["liveness"]) == ([ALIASES[0]], "live")
        end_servers(sshd)

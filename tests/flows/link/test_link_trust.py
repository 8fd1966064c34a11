"""What a link trusts: the same proof at each connection as at the first one."""

from pathlib import Path

import pytest
from tests.support.link.link_scene import LIMITS, folder, sshd
from tests.support.link.links import SshdResolver, client_of, linked, until_it_is, world_of
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import make_key

from remora.adapters.machine.local_sockets import SystemSockets
from remora.core.errors import Code, RemoraError
from remora.core.link.links import Liveness
from remora.flows.kit.unattended import UnattendedDialogue

pytestmark = pytest.mark.sshd
__all__ = ["folder", "sshd"]


def show_key(sshd: AccountSshd, *keys: Path) -> None:
    """The host listens with other keys; what runs on it goes on."""
    sshd.end_listening()
    sshd.host_keys = list(keys)
    sshd.start()


async def test_f24_a_host_that_comes_back_with_another_key_is_told_nothing_and_not_dialled_again(
    sshd: AccountSshd, folder: Path, tmp_path: Path
) -> None:
    known = list(sshd.host_keys)
    resolver = SshdResolver(sshd)
    world = world_of(resolver, limits=LIMITS)
    async with linked(world, folder) as link, client_of(link, world) as rpc:
        server = await rpc.request("process")
        show_key(sshd, make_key(tmp_path / "another"))
        await until_it_is(link, Liveness.NEEDS_HUMAN)
        body = link.body()
        assert body.error is not None
        assert body.error.code == Code.HOST_KEY_CHANGED
        assert body.next_attempt is None
        asked, logins = resolver.asked, sshd.accepted_logins()
        knocking = await SystemSockets().connect(body.socket)  # held, and no reason to dial
        with pytest.raises(RemoraError) as caught:
            await link.bring_up(UnattendedDialogue())  # a person's wish changes nothing about the key
        assert caught.value.code is Code.HOST_KEY_CHANGED
        assert (resolver.asked, sshd.accepted_logins()) == (asked + 1, logins)
        show_key(sshd, *known)
        assert await link.bring_up(UnattendedDialogue())
        assert await rpc.request("process") == server
        await knocking.close()

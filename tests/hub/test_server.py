"""What callers of the hub get, with links that do what a test says."""

import asyncio
from dataclasses import replace

import pytest
from tests.hub.fake_link import FakeLink, dead, machine
from tests.hub.memory_hub import connect, disconnect, hub_in_memory
from tests.support.base.loop import run

from remora.core.errors import AuthenticationProblem, Code, LaunchProblem
from remora.hub.shared.lines import LineStream
from remora.wire.hub import control


async def test_a_link_is_made_once_and_dropped_once() -> None:
    async with hub_in_memory() as hub:
        first, again = await hub.ask(connect("box")), await hub.ask(connect("box"))
        assert isinstance(first, control.LinkConnected)
        assert isinstance(again, control.LinkConnected)
        assert (first.changed, again.changed) == (True, False)
        assert first.link.socket == "/run/links/box.sock"
        assert hub.registry.idle_since is None
        gone = [await hub.ask(disconnect("box")) for _ in range(2)]
        assert [each.changed for each in gone if isinstance(each, control.Disconnected)] == [True, False]
        assert hub.registry.idle_since is not None


async def test_a_link_that_never_came_up_stays_only_where_a_person_can_help() -> None:
    refused = AuthenticationProblem(Code.AUTHENTICATION_REFUSED, "No.", next_step="Ask.")

    def prepare(link: FakeLink) -> None:
        link.trouble = refused if link.name.alias == "locked" else dead(link.name.alias)

    async with hub_in_memory(prepare) as hub:
        for alias, code in (("off", "connection-refused"), ("locked", "authentication-refused")):
            failed = await hub.ask(connect(alias))
            assert isinstance(failed, control.RequestFailed)
            error = control.rebuild(failed)
            assert (error.code, type(error)) == (code, type(hub.links.made[alias].trouble))
        assert list(await hub.liveness()) == ["locked"]


async def test_a_question_is_lent_to_the_caller_and_to_nobody_else() -> None:
    def prepare(link: FakeLink) -> None:
        link.asks = "Passphrase: "

    async with hub_in_memory(prepare) as hub:
        asking = await hub.open(connect("box", asks=True))
        question = await asking.receive()
        assert isinstance(question, control.SecretAsked)
        assert (question.alias, question.prompt) == ("box", "Passphrase: ")
        await asking.send(
            control.Answer(number=question.number + 1, text="wrong"),
            control.Answer(number=question.number, text="sesame"),
        )
        assert isinstance(await asking.receive(), control.LinkConnected)
        await asking.close()
        assert hub.links.made["box"].secrets == ["sesame"]
        unasked = await hub.ask(connect("other"))
        assert isinstance(unasked, control.RequestFailed)
        assert unasked.error.code == "prompt-unattended"


async def test_a_caller_that_leaves_in_the_middle_of_a_question_leaves_it_unanswered() -> None:
    def prepare(link: FakeLink) -> None:
        link.asks = "Code: "

    async with hub_in_memory(prepare) as hub:
        for hold, left in ((False, {"box": "needs-human"}), (True, {"box": "needs-human"})):
            asking = await hub.open(connect("box", asks=True, hold=hold))
            assert isinstance(await asking.receive(), control.SecretAsked)
            await asking.close()
            watching = await hub.open(control.Watch())
            while True:
                status = await watching.receive()
                assert isinstance(status, control.Status)
                if {link.host: link.liveness for link in status.links} == left:
                    break
            await watching.close()


async def test_two_names_of_one_machine_share_a_link() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine("one")

    async with hub_in_memory(prepare) as hub:
        await hub.ask(connect("b"))
        second = await hub.ask(connect("a"))
        assert isinstance(second, control.LinkConnected)
        assert (second.link.host, second.link.socket) == ("a", "/run/links/a.sock")
        assert await hub.liveness() == {"b": "live"}
        await hub.ask(disconnect("b"))
        assert await hub.liveness() == {"a": "live"}
        await hub.ask(disconnect("a"))
        assert await hub.liveness() == {}


async def test_a4_aliases_of_one_machine_that_come_at_once_all_stay() -> None:
    gate = asyncio.Event()

    def prepare(link: FakeLink) -> None:
        link.identity, link.gate = machine("one"), gate

    async with hub_in_memory(prepare) as hub:
        names = [f"a{number:02}" for number in range(50)]
        callers = [await hub.open(connect(name)) for name in names]
        gate.set()
        for name, caller in zip(names, callers, strict=True):
            said = await caller.receive()
            assert isinstance(said, control.LinkConnected), said
            assert (said.link.host, said.link.socket) == (name, f"/run/links/{name}.sock")
            await caller.close()
        for name in names:
            named = await hub.ask(control.GetLinks(alias=name, ssh_config=None))
            assert isinstance(named, control.NamedLinks)
            assert [link.host for link in named.links] == [name]
        status = await hub.ask(control.GetStatus())
        assert isinstance(status, control.Status)
        (link,) = status.links
        assert sorted(link.aliases) == names
        outcomes = await asyncio.gather(*(hub.ask(disconnect(name)) for name in names))
        assert [each.changed for each in outcomes if isinstance(each, control.Disconnected)] == [True] * 50
        assert await hub.liveness() == {}
        assert hub.registry.idle_since is not None


async def test_a4_an_alias_that_is_dropped_and_wanted_at_once_ends_as_one_of_both() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine("one")

    async with hub_in_memory(prepare) as hub:
        await hub.ask(connect("b"))
        for _ in range(20):
            await asyncio.gather(
                *(hub.ask(disconnect(name)) for name in ("a", "b", "c")),
                *(hub.ask(connect(name)) for name in ("c", "a", "b")),
                *(hub.ask(disconnect("a")), hub.ask(connect("b"))),
            )
            for name in ("a", "b", "c"):
                said = await hub.ask(connect(name))
                assert isinstance(said, control.LinkConnected), said
            status = await hub.ask(control.GetStatus())
            assert isinstance(status, control.Status)
            assert [sorted(link.aliases) for link in status.links] == [["a", "b", "c"]]


async def test_a4_a_link_whose_machine_is_known_by_a_way_that_fails_now_stays_beside_it() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine("one")

    async with hub_in_memory(prepare) as hub:
        await hub.ask(connect("near"))
        hub.links.made["near"].lose(dead("near"))
        said = await hub.ask(connect("far"))
        assert isinstance(said, control.LinkConnected), said
        assert await hub.liveness() == {"far": "live", "near": "suspended"}


async def test_a3_a_name_that_means_something_else_finds_another_link_and_the_old_one_stays_with_who_holds_it() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine(str(len(made)))
        made.append(link)

    made: list[FakeLink] = []
    async with hub_in_memory(prepare) as hub:
        first = await hub.ask(connect("box", means="old"))
        await hub.ask(control.OpenForward(alias="box", ssh_config=None, port=3000))
        second = await hub.ask(connect("box", means="new"))
        assert isinstance(first, control.LinkConnected)
        assert isinstance(second, control.LinkConnected)
        assert (first.link.leads_to, second.link.leads_to) == ("me@old:22", "me@new:22")
        assert second.changed
        assert first.link.socket != second.link.socket
        named = await hub.ask(control.GetLinks(alias="box", ssh_config=None))
        assert isinstance(named, control.NamedLinks)
        assert [(link.mark, [each.code for each in link.notices]) for link in named.links] == [
            ("old", ["alias-changed"]),
            ("new", []),
        ]
        assert "me@new:22" in named.links[0].notices[0].message
        for mark, doors in (("old", made[0]), ("new", made[1]), (None, made[1])):
            opened = await hub.ask(control.OpenEgress(alias="box", ssh_config=None, mark=mark, destinations=["a.b"]))
            assert isinstance(opened, control.ForwardList), opened
            assert doors.egresses.bodies[-1] is not None
        await hub.ask(control.StopForward(alias="box", ssh_config=None))
        gone = await hub.ask(disconnect("box"))
        assert isinstance(gone, control.Disconnected)
        assert gone.changed
        assert await hub.liveness() == {}


async def test_a3_an_old_link_that_nobody_holds_goes_and_one_that_is_held_goes_with_its_last_client() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine(str(len(made)))
        link.clients = 0 if made else 1
        made.append(link)

    made: list[FakeLink] = []
    async with hub_in_memory(prepare) as hub:
        await hub.ask(connect("box", means="one"))
        await hub.ask(connect("box", means="two"))
        await hub.ask(connect("box", means="three"))
        watching = await hub.open(control.Watch())
        await until_marks(watching, {"one", "three"})
        made[0].leave()
        await until_marks(watching, {"three"})
        await watching.close()


async def test_a3_a_name_that_leads_to_the_same_machine_by_another_way_brings_its_old_link_back() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine("one")

    async with hub_in_memory(prepare) as hub:
        await hub.ask(connect("box", means="near"))
        near = hub.links.made["box"]
        near.lose(dead("box"))
        near.mends = True
        said = await hub.ask(connect("box", means="far"))
        assert isinstance(said, control.LinkConnected), said
        status = await hub.ask(control.GetStatus())
        assert isinstance(status, control.Status)
        ((link),) = status.links
        assert (link.liveness, link.leads_to, link.aliases) == ("live", "me@far:22", ["box"])
        assert near.liveness == "live"


async def test_a3_names_that_give_a_host_more_do_not_share_the_link_of_those_that_give_less() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = machine("one")

    async with hub_in_memory(prepare) as hub:
        lent = connect("lent")
        lent.meaning = replace(lent.meaning, manner="agent")
        await hub.ask(lent)
        await hub.ask(connect("plain"))
        assert await hub.liveness() == {"lent": "live", "plain": "live"}


async def until_marks(watching: LineStream[control.FromHub], marks: set[str]) -> None:
    while True:
        status = await watching.receive()
        assert isinstance(status, control.Status), status
        if {link.mark for link in status.links} == marks:
            return


async def test_clones_that_both_run_do_not_share_a_link_although_key_and_id_are_one() -> None:
    def prepare(link: FakeLink) -> None:
        link.identity = replace(machine("one"), boot_id=f"boot of {link.name.alias}")

    async with hub_in_memory(prepare) as hub:
        for alias in ("b", "a"):
            await hub.ask(connect(alias))
        assert await hub.liveness() == {"a": "live", "b": "live"}
        await hub.ask(disconnect("b"))
        assert await hub.liveness() == {"a": "live"}


async def test_f90_one_slow_host_holds_up_nobody() -> None:
    def prepare(link: FakeLink) -> None:
        if link.name.alias == "slow":
            link.gate.clear()

    async with hub_in_memory(prepare) as hub:
        slow = await hub.open(connect("slow"))
        again = await hub.open(connect("slow"))
        assert isinstance(await hub.ask(connect("quick")), control.LinkConnected)
        hub.links.made["slow"].gate.set()
        outcomes = [await each.receive() for each in (slow, again)]
        assert [each.changed for each in outcomes if isinstance(each, control.LinkConnected)] == [True, False]
        assert hub.links.made["slow"].dials == 1
        await slow.close()
        await again.close()


async def test_a_link_that_is_held_ends_with_the_last_who_holds_it() -> None:
    async with hub_in_memory() as hub:
        first, second = [await hub.open(connect("box", hold=True)) for _ in range(2)]
        for each in (first, second):
            assert isinstance(await each.receive(), control.LinkConnected)
        await first.close()
        await first.receive()
        assert await hub.liveness() == {"box": "live"}
        watching = await hub.open(control.Watch())
        await second.close()
        while (status := await watching.receive()) and isinstance(status, control.Status) and status.links:
            pass
        await watching.close()
        assert await hub.liveness() == {}


async def test_a_server_that_may_not_be_stopped_keeps_its_link() -> None:
    busy = LaunchProblem(Code.SERVER_BUSY, "A turn runs.", next_step="Use --force.")
    async with hub_in_memory() as hub:
        await hub.ask(connect("box"))
        hub.links.made["box"].trouble = busy
        refused = await hub.ask(disconnect("box", stop_server=True))
        assert isinstance(refused, control.RequestFailed)
        assert refused.error.code == "server-busy"
        assert await hub.liveness() == {"box": "live"}
        done = await hub.ask(disconnect("box", stop_server=True, force=True))
        assert isinstance(done, control.Disconnected)
        assert done.server == "stopped"


def test_a_fault_in_one_link_is_the_end_of_that_link_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        async with hub_in_memory() as hub:
            await hub.ask(connect("box"))
            await hub.ask(connect("other"))
            watching = await hub.open(control.Watch())
            hub.links.made["box"].fail(ValueError("oops"))
            while True:
                status = await watching.receive()
                assert isinstance(status, control.Status)
                if [link.host for link in status.links] == ["other"]:
                    break
            await watching.close()

    run(go())
    assert "oops" in caplog.text


async def test_folder_and_ports_go_through_the_link() -> None:
    async with hub_in_memory() as hub:
        missing = await hub.ask(control.FindFolder(alias="box", ssh_config=None, folder="x"))
        assert isinstance(missing, control.RequestFailed)
        assert missing.error.code == "link-missing"
        await hub.ask(connect("box"))
        found = await hub.ask(control.FindFolder(alias="box", ssh_config=None, folder="x"))
        assert found == control.Folder(path="/home/me/x")
        opened = [await hub.ask(control.OpenForward(alias="box", ssh_config=None, port=3000)) for _ in range(2)]
        assert [each.changed for each in opened if isinstance(each, control.ForwardList)] == [True, False]
        status = await hub.ask(control.GetStatus())
        assert isinstance(status, control.Status)
        (forward,) = status.links[0].forwards
        client = hub.sockets.connect_port(forward.local_port)
        assert await client.read() == b"port 3000"
        await client.close()
        out = await hub.ask(control.OpenEgress(alias="box", ssh_config=None, destinations=["a.example"], port=8118))
        assert isinstance(out, control.ForwardList)
        assert (out.changed, [each.destinations for each in out.egresses]) == (True, [["a.example:443"]])
        listed = await hub.ask(control.ListForwards())
        assert isinstance(listed, control.ForwardList)
        assert (len(listed.forwards), listed.egresses) == (1, out.egresses)
        stopped = await hub.ask(control.StopForward(alias="box", ssh_config=None, port=8118))
        assert stopped == control.ForwardList(forwards=[], egresses=out.egresses, changed=True)
        await hub.ask(disconnect("box"))
        assert await hub.ask(control.ListForwards()) == control.ForwardList(forwards=[])


async def test_disconnecting_ends_an_attempt_under_way() -> None:
    async with hub_in_memory(lambda link: link.gate.clear()) as hub:
        waiting = await hub.open(connect("box"))
        await asyncio.sleep(0)
        while not await hub.liveness():
            pass
        await hub.ask(disconnect("box"))
        hub.links.made["box"].gate.set()
        failed = await waiting.receive()
        assert isinstance(failed, control.RequestFailed)
        assert failed.error.code == "link-missing"
        await waiting.close()

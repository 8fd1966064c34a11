"""What is said between the hub and its callers: rubbish, other versions, errors as they cross, and no secret."""

import pytest
from tests.hub.memory_hub import HUB_SOCKET, connect, hub_in_memory

from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.settings import Limits
from remora.hub_client.conversation import Talk
from remora.wire.hub import control


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n\n",
        b"[" * 100_000 + b"\n",
        b'{"type":"stop"}\n',
        b"",
        b'{"type":"hello","protocol":1,"program":"x","pid":1}\n{"type":"connect"}\n',
        b'{"type":"hello","protocol":1,"program":"x","pid":1}\n{"type":"answer","number":1}\n',
        b'{"type":"hello","protocol":999,"program":"x","pid":1}\n{"type":"status"}\n',
    ],
)
async def test_rubbish_gets_a_hello_and_nothing_more(said: bytes) -> None:
    async with hub_in_memory(limits=Limits(hub_answer=0.2)) as hub:
        stream = await hub.sockets.connect(HUB_SOCKET)
        await stream.write(said)
        answer = b""
        while piece := await stream.read():
            answer += piece
        assert answer.count(b"\n") == 1
        await stream.close()
        assert await hub.liveness() == {}
        assert hub.stops == [False]


async def test_a_program_of_another_version_can_end_the_hub() -> None:
    async with hub_in_memory() as hub:
        lines = await hub.call()
        await lines.send(control.Hello(protocol=99, program="future", pid=1), control.Stop())
        assert isinstance(await lines.receive(), control.Hello)
        assert await lines.receive() == control.Stopping(links=0)
        await lines.close()
        assert hub.stops == [False, True]


async def test_a_caller_that_waits_can_ask_whether_the_hub_is_there() -> None:
    async with hub_in_memory(lambda link: link.gate.clear()) as hub:
        waiting = await hub.open(connect("box"))
        await waiting.send(control.Ping())
        assert await waiting.receive() == control.Pong()
        await waiting.close()


def test_errors_cross_the_socket_as_they_are() -> None:
    error = LaunchProblem(Code.SERVER_BUSY, "It works.", next_step="Wait.", seen="a\x1b[2Jb", host="box")
    line = control.encode(control.failed(error))
    said = control.read_from_hub(line)
    assert isinstance(said, control.RequestFailed)
    again = control.rebuild(said)
    assert type(again) is LaunchProblem
    assert vars(again) == vars(error)
    unknown = control.rebuild(control.RequestFailed(error=said.error, exit_code=99))
    assert (type(unknown), unknown.message) == (RemoraError, "It works.")


def test_an_answer_does_not_show_what_was_typed() -> None:
    assert "sesame" not in repr(control.Answer(number=1, text="sesame"))


async def test_a_name_that_is_no_text_is_refused_before_anything_is_said() -> None:
    async with hub_in_memory() as hub:
        stream = await hub.sockets.connect(HUB_SOCKET)
        talk = Talk(stream, 5.0)
        with pytest.raises(RemoraError) as caught:
            await talk.begin(control.FindFolder(alias="devbox", ssh_config=None, folder="~/\udcff"), any_version=False)
        assert caught.value.code is Code.USAGE
        await stream.close()

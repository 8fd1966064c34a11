"""The bench that steps work at, on a real sshd: what it runs, sends, tells and leaves behind."""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.base.host_processes import command_of, parent_of
from tests.support.base.loop import run
from tests.support.base.until import until, until_none
from tests.support.provision.provision_bench import Progress, bench_at
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import StepScript
from remora.core.errors import Code, RemoraError
from remora.core.secrets import Secret
from remora.core.server.answers import Answers
from remora.core.settings import Limits
from remora.flows.provision.bench import Bench

TOLD = 'remora_tell x "$remora_x"\n'


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    with SystemSshd(tmp_path, options=["MaxSessions 1"]) as server:
        yield server


async def pieces(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def failure_of(bench: Bench, script: StepScript) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        await bench.ask(script, limit=20)
    return caught.value


def test_variables_and_answers_are_data_whatever_is_in_them(sshd: SystemSshd) -> None:
    text = "it's $(touch x); `id` \n \x01 ü \\ end"

    async def work() -> str | None:
        async with bench_at(sshd) as bench:
            return (await bench.ask(StepScript("", {"remora_x": text}, TOLD), limit=20)).one("x")

    assert run(work()) == text


def test_readings_travel_together_and_a_failing_one_hides_no_other(sshd: SystemSshd) -> None:
    scripts = [
        StepScript("", {"remora_x": "1"}, TOLD),
        StepScript("", {}, "remora_fail tool-missing git\nremora_tell x never\n"),
        StepScript("", {"remora_x": "3"}, TOLD + "exit 7\n"),
    ]

    async def work() -> list[tuple[str | None, str | None]]:
        async with bench_at(sshd) as bench:
            return [(said.one("x"), said.one("failed")) for said in await bench.survey(scripts)]

    assert run(work()) == [("1", None), (None, "tool-missing"), ("3", None)]


@pytest.mark.parametrize("code", [Code.DISK_FULL, Code.PLACE_UNUSABLE, Code.TOOL_MISSING, Code.STEP_FAILED])
def test_a_reason_becomes_an_error_with_a_next_step(sshd: SystemSshd, code: Code) -> None:
    async def work() -> RemoraError:
        async with bench_at(sshd) as bench:
            return await failure_of(bench, StepScript("", {}, f"remora_fail {code.value} 'because of this'\n"))

    error = run(work())
    assert error.code is code
    assert "because of this" in error.seen
    assert error.next_step


def test_a_script_that_hangs_is_ended_on_the_host_and_the_bench_goes_on(sshd: SystemSshd) -> None:
    async def work() -> str | None:
        async with bench_at(sshd) as bench:
            with pytest.raises(RemoraError) as caught:
                await bench.ask(StepScript("git manager", {}, "sleep 1000 & sleep 1000\n"), limit=0.3)
            assert caught.value.code is Code.TIME_LIMIT
            assert caught.value.message == "The host did not finish the manager script within 0.3 seconds."
            await until_none(sshd.session_commands, what="the hung script to be gone")
            return (await bench.ask(StepScript("", {"remora_x": "on"}, TOLD), limit=20)).one("x")

    assert run(work()) == "on"


RECEIVE = """remora_put() { cat >"$HOME/big"; }
remora_receive remora_put || remora_fail step-failed
remora_tell digest "$(remora_digest "$HOME/big")"
"""


def test_binary_data_arrive_whole_and_count_as_progress(sshd: SystemSshd) -> None:
    data = bytes(range(256)) * 20000 + b"exit 1\n" * 9

    async def work() -> tuple[str | None, Progress]:
        progress = Progress()
        async with bench_at(sshd) as bench:
            bench.attend("the data", "data", progress)
            said = await bench.send(StepScript("", {}, RECEIVE), pieces(data), size=len(data))
            assert (await bench.ask(StepScript("", {"remora_x": "on"}, TOLD), limit=20)).one("x") == "on"
            return said.one("digest"), progress

    digest, progress = run(work())
    assert digest == hashlib.sha256(data).hexdigest()
    assert progress.moved[-1] == (len(data), len(data))


def test_data_whose_taker_fails_are_never_read_as_commands(sshd: SystemSshd) -> None:
    data = b'touch "$HOME/taken-for-a-command"\n' * 200_000
    text = "remora_put() { head -c 10 >/dev/null; return 3; }\nremora_receive remora_put || remora_fail disk-full x\n"

    async def work() -> RemoraError:
        async with bench_at(sshd) as bench:
            with pytest.raises(RemoraError) as caught:
                await bench.send(StepScript("", {}, text), pieces(data), size=len(data))
            assert (await bench.ask(StepScript("", {"remora_x": "on"}, TOLD), limit=20)).one("x") == "on"
            return caught.value

    error = run(work())
    assert error.code is Code.DISK_FULL
    assert not (sshd.home / "taken-for-a-command").exists()


def test_a_script_that_wants_no_data_gets_none(sshd: SystemSshd) -> None:
    async def work() -> RemoraError:
        async with bench_at(sshd) as bench:
            with pytest.raises(RemoraError) as caught:
                await bench.send(
                    StepScript("", {}, "remora_fail disk-full 'only 3 KiB'\n"), pieces(b"x" * 999), size=999
                )
            return caught.value

    assert run(work()).code is Code.DISK_FULL


def test_a_transfer_in_which_nothing_moves_is_given_up(sshd: SystemSshd) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await asyncio.Event().wait()

    async def work() -> RemoraError:
        async with bench_at(sshd, limits=Limits(provision_stall=0.3)) as bench:
            with pytest.raises(RemoraError) as caught:
                await bench.send(StepScript("", {}, RECEIVE), stalls(), size=5000)
            await until_none(sshd.session_commands, what="the receiving script to be gone")
            return caught.value

    error = run(work())
    assert error.code is Code.TIME_LIMIT
    assert (sshd.home / "big").stat().st_size == 1000, "keeps the received part"


USERS = "remora_as_user sh -c 'echo to one; echo to two >&2; ps -o sid= -o pgid= $$ | tr -s \" \"; exit 3'\n"


def test_a_program_of_the_users_has_a_session_a_log_and_a_tail(sshd: SystemSshd) -> None:
    progress = Progress()

    async def work() -> tuple[Answers, list[int], str]:
        async with bench_at(sshd) as bench:
            bench.attend("set-up of ~/app", "setup:~/app", progress)
            said = await bench.run(StepScript("", {}, USERS + 'remora_tell how "$?"\n'), limit=20)
            return said, sshd.session_processes(), bench.facts.state_folder

    said, processes, state = run(work())
    assert progress.lines[:2] == ["to one", "to two"]
    session, group = progress.lines[2].split()
    assert session == group
    assert int(session) not in processes
    assert (said.one("how"), said.one("status")) == ("3", "0")
    log = Path(said.one("log") or "")
    assert log.parent == Path(state)
    assert log.read_text() == said.one("tail") == f"to one\nto two\n{progress.lines[2]}\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_secret_comes_as_standard_input_and_nowhere_else(sshd: SystemSshd) -> None:
    canary = "canary-9f3b-$HOME-'quoted'\n\n"
    text = (
        'cat >"$HOME/got"; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" >"$HOME/seen"\n'
    )

    async def work() -> None:
        async with bench_at(sshd) as bench:
            await bench.run(StepScript("", {}, text), limit=20, secret=Secret(canary))

    run(work())
    assert (sshd.home / "got").read_text() == canary
    assert "canary-9f3b" not in (sshd.home / "seen").read_text(errors="replace")
    for file in (path for path in sshd.home.rglob("*") if path.is_file() and path.name != "got"):
        assert b"canary-9f3b" not in file.read_bytes(), file


HANGS = "remora_as_user sh -c 'trap \"\" TERM; sleep 1000 & echo begun; sleep 1000'\n"


def test_at_its_limit_a_program_of_the_users_is_ended_on_the_host(sshd: SystemSshd) -> None:
    async def work() -> RemoraError:
        async with bench_at(sshd) as bench:
            with pytest.raises(RemoraError) as caught:
                await bench.run(StepScript("", {}, HANGS), limit=1)
            assert len(sshd.session_processes()) == 1, "the shell alone is left"
            return caught.value

    error = run(work())
    assert error.code is Code.TIME_LIMIT
    assert "begun" in error.seen


@pytest.mark.parametrize("how", ["cut", "cancelled"])
async def test_nothing_of_the_users_outlives_the_connection(sshd: SystemSshd, how: str) -> None:
    progress = Progress()
    async with bench_at(sshd) as bench:
        bench.attend("x", "x", progress)
        running = asyncio.ensure_future(bench.run(StepScript("", {}, HANGS), limit=500))
        await until(lambda: progress.lines, what="the program to begin")
        if how == "cut":
            sshd.drop_connections()
        else:
            running.cancel()
        with pytest.raises((RemoraError, asyncio.CancelledError)):
            await running
        await until_none(sshd.session_commands, what="all that it started to be gone")


def test_f47_whoever_of_ours_survives_on_the_host_keeps_nobody_waiting(sshd: SystemSshd) -> None:
    """Something there kills, and misses what was about to begin: the timer, which would stay for hours."""

    def timer() -> set[int]:
        """The shell that waits, and what it waits for."""
        alarms = {pid for pid in sshd.session_processes() if "54321" in command_of(pid)}
        return {*alarms, *(parent_of(pid) for pid in alarms)}

    async def work() -> RemoraError:
        progress = Progress()
        async with bench_at(sshd) as bench:
            bench.attend("x", "x", progress)
            running = asyncio.ensure_future(bench.run(StepScript("", {}, HANGS), limit=54321))
            await until(lambda: progress.lines, what="the program to begin")
            left = await until(timer)
            for pid in set(sshd.session_processes()) - left:
                with suppress(ProcessLookupError):  # one may end by the end of another
                    os.kill(pid, signal.SIGKILL)
            with pytest.raises(RemoraError) as caught:
                await running
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return caught.value

    assert run(work()).code is Code.SHELL_FAILED


def test_what_a_program_leaves_in_the_background_holds_nothing_up(sshd: SystemSshd) -> None:
    async def work() -> str | None:
        async with bench_at(sshd) as bench:
            said = await bench.run(StepScript("", {}, "remora_as_user sh -c 'sleep 500 & echo done'\n"), limit=60)
            assert len(sshd.session_processes()) == 1
            return said.one("tail")

    assert run(work()) == "done\n"


def test_a_new_shell_sees_a_new_login_environment(sshd: SystemSshd) -> None:
    async def work() -> tuple[str, str]:
        async with bench_at(sshd) as bench:
            before = bench.facts.path
            (sshd.home / ".bashrc").write_text("PATH=/added/later:$PATH\n")
            await bench.release()
            await bench.survey(())
            return before, bench.facts.path

    before, after = run(work())
    assert after == f"/added/later:{before}"


def test_a_secret_that_comes_in_two_pieces_is_told_as_one(sshd: SystemSshd) -> None:
    progress = Progress()
    text = "printf 'key can'; sleep 0.5; printf 'ary-9f3b\\rnext\\n'; printf last\n"

    async def work() -> Answers:
        async with bench_at(sshd) as bench:
            bench.attend("set-up of ~/app", "setup:~/app", progress)
            return await bench.run(StepScript("", {}, text), limit=20)

    said = run(work())
    assert progress.lines == ["key canary-9f3b", "next", "last"]
    assert said.one("tail") == "key canary-9f3b\rnext\nlast"


def test_the_tail_of_much_output_begins_with_a_whole_line(sshd: SystemSshd) -> None:
    text = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo 'key canary-9f3b-0123456789'; done; exit 1\n"

    async def work() -> Answers:
        async with bench_at(sshd) as bench:
            return await bench.run(StepScript("", {}, text), limit=20)

    assert set((run(work()).one("tail") or "").splitlines()) == {"key canary-9f3b-0123456789"}

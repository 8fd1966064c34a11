"""codex signed in on a host: sent once, proven by a real request, noticed when somebody changes it, seen by nobody."""

import json
import os
import re
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST, VERSIONS
from tests.support.model.login_endpoint import chatgpt_token, login_endpoint, write_chatgpt_login
from tests.support.model.logins import CANARY, host_with
from tests.support.provision.provision_bench import Progress, bench_at, bring, read
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.logins import SignInProof, secret_end
from remora.core.devbox.provision_step import Finding, StepState
from remora.core.errors import Code, RemoraError
from remora.core.secrets import Secret
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.provision.steps.login import LoginStep, prove_login, sign_in
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import LoginKind, LoginTable, SecretSource

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

NEW = NEWEST


def wish(value: str = CANARY, kind: LoginKind = LoginKind.API_KEY, expires: date | None = None) -> LoginStep:
    table = LoginTable(kind=kind, secret=SecretSource(environment="KEY"), expires=expires)
    return LoginStep(table, MemorySecrets(value))


def brought(
    sshd: SystemSshd, step: LoginStep, progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS
) -> Finding:
    async def work() -> Finding:
        async with bench_at(sshd, limits=limits) as bench:
            return await bring(step, bench, progress=progress)

    return run(work())


def found(sshd: SystemSshd, step: LoginStep) -> Finding:
    async def work() -> Finding:
        async with bench_at(sshd) as bench:
            return await read(step, bench)

    return run(work())


def auth_of(sshd: SystemSshd) -> dict[str, object]:
    auth = json.loads((sshd.home / ".codex/auth.json").read_text())
    assert isinstance(auth, dict)
    return auth


@pytest.mark.parametrize("version", VERSIONS)
def test_an_api_key_is_sent_once_proven_by_a_real_request_and_not_sent_again(version: str, tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(version, tmp_path, endpoint) as sshd:
        first = brought(sshd, wish())
        assert (first.state, first.sends) == (StepState.DIFFERENT, len(CANARY))
        assert auth_of(sshd)["OPENAI_API_KEY"] == CANARY
        assert (sshd.home / ".codex/auth.json").stat().st_mode & 0o777 == 0o600
        assert endpoint.credentials == [f"Bearer {CANARY}"]
        progress = Progress()
        second = brought(sshd, wish(), progress)
        assert (second.state, second.sends, second.notices, progress.moved) == (StepState.SAME, 0, (), [])
        assert len(endpoint.credentials) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_f44_a_refused_key_is_no_login_and_the_old_one_stays(version: str, tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(version, tmp_path, endpoint) as sshd:
        brought(sshd, wish("sk-good"))
        endpoint.refuses = True
        with pytest.raises(RemoraError) as caught:
            brought(sshd, wish())
        assert caught.value.code is Code.LOGIN_REFUSED
        assert "127.0.0.1" in caught.value.message, "it says which machine"
        assert "401" in caught.value.seen
        assert CANARY not in f"{caught.value.seen}{caught.value.message}{caught.value.next_step}"
        assert auth_of(sshd)["OPENAI_API_KEY"] == "sk-good"
        assert found(sshd, wish("sk-good")).state is StepState.SAME
        assert not list((sshd.home / ".local/state/remora").rglob("login.new"))


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_an_access_token_is_taken_or_refused_by_its_issuer(version: str, tmp_path: Path) -> None:
    step = wish("at-canary-77", LoginKind.ACCESS_TOKEN)
    with login_endpoint() as endpoint, host_with(version, tmp_path, endpoint) as sshd:
        brought(sshd, step)
        assert auth_of(sshd)["personal_access_token"] == "at-canary-77"
        assert found(sshd, step).state is StepState.SAME
        endpoint.refuses = True
        with pytest.raises(RemoraError) as caught:
            brought(sshd, wish("at-other", LoginKind.ACCESS_TOKEN))
        assert caught.value.code is Code.LOGIN_REFUSED
        assert auth_of(sshd)["personal_access_token"] == "at-canary-77"


def test_a_codex_that_knows_no_access_tokens_is_not_given_one(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with("0.120.0", tmp_path, endpoint) as sshd:
        with pytest.raises(RemoraError) as caught:
            brought(sshd, wish("at-canary-77", LoginKind.ACCESS_TOKEN))
        assert caught.value.code is Code.STEP_FAILED
        assert "0.120.0" in caught.value.seen
        assert not (sshd.home / ".codex/auth.json").exists()


def test_a_login_that_somebody_changed_or_ended_is_noticed(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:
        brought(sshd, wish())
        assert "has changed" in found(sshd, wish("sk-new")).detail
        write_chatgpt_login(sshd.home / ".codex", seconds=3600)
        assert "another program" in found(sshd, wish()).detail
        (sshd.home / ".codex/auth.json").unlink()
        assert "not signed in" in found(sshd, wish()).detail
        brought(sshd, wish())
        assert found(sshd, wish()).state is StepState.SAME


def test_a_secret_that_ends_soon_is_told_before(tmp_path: Path) -> None:
    today = datetime.now(tz=UTC).date()
    near, far = today + timedelta(days=5), today + timedelta(days=60)
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:
        brought(sshd, wish(expires=far))
        assert found(sshd, wish(expires=far)).notices == ()
        brought(sshd, wish(expires=near))
        (notice,) = found(sshd, wish(expires=near)).notices
        assert near.isoformat() in notice
        (notice,) = found(sshd, wish(expires=today - timedelta(days=1))).notices
        assert "expired on" in notice


def test_a_token_that_tells_its_end_needs_nobody_to_say_it(tmp_path: Path) -> None:
    """In days: what has ended is not sent, what ends soon is told of by every run and noted for check."""
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:
        brought(sshd, wish(chatgpt_token(90 * 86400.0)))
        old = auth_of(sshd)
        blocked = found(sshd, wish(chatgpt_token(-3 * 86400.0)))
        assert blocked.state is StepState.BLOCKED
        assert blocked.error is not None
        assert (blocked.error.code, "expired on" in blocked.error.message) == (Code.LOGIN_REFUSED, True)
        asked = len(endpoint.asked)
        with pytest.raises(RemoraError):
            brought(sshd, wish(chatgpt_token(-3 * 86400.0)))
        assert (auth_of(sshd), len(endpoint.asked)) == (old, asked)
        token = chatgpt_token(3 * 86400.0)
        soon, end = wish(token), secret_end(Secret(token))
        assert end is not None
        brought(sshd, soon)
        (notice,) = found(sshd, soon).notices
        assert end.isoformat() in notice
        (record,) = (sshd.home / ".local/state/remora").rglob("login")
        assert f"expires={end.isoformat()}" in record.read_text().splitlines()


@pytest.mark.parametrize("behind", range(580, 602, 3))
def test_a_secret_at_the_cut_of_what_codex_said_is_seen_by_nobody(behind: int, tmp_path: Path) -> None:
    """A codex that repeats its input: half a secret would be known by nobody as one."""
    said = f"echo before; printf 'told %s' \"$secret\"; head -c {behind} /dev/zero | tr '\\0' ' '; echo end"
    program = f"#!/bin/sh\ncase $2 in --help) echo --with-api-key; exit ;; esac\nsecret=$(cat)\n{said}\nexit 1\n"
    with SystemSshd(tmp_path) as sshd:
        place = sshd.home / ".local/bin/codex"
        place.parent.mkdir(parents=True)
        place.write_text(program)
        place.chmod(0o755)
        with pytest.raises(RemoraError) as caught:
            brought(sshd, wish())
        assert caught.value.code is Code.STEP_FAILED
        assert "end" in caught.value.seen
        assert not [size for size in range(5, len(CANARY)) if CANARY[-size:] in caught.value.seen]


def test_a_login_that_nobody_could_prove_is_not_called_good(tmp_path: Path) -> None:
    """Offline: the login is kept, because nothing speaks against it, and every run says that nothing speaks for it."""
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:
        config = sshd.home / ".codex/config.toml"
        config.write_text(re.sub(r"127\.0\.0\.1:\d+/v1", "127.0.0.1:9/v1", config.read_text()))
        brought(sshd, wish(), limits=Limits(login_proof=4))
        (notice,) = found(sshd, wish()).notices
        assert "was not tested" in notice


def test_a_provider_that_takes_no_login_proves_nothing(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:
        endpoint.configure(sshd.home / ".codex", takes_login=False)
        brought(sshd, wish())
        (notice,) = found(sshd, wish()).notices
        assert "does not use the login" in notice
        assert endpoint.credentials == [None]


@pytest.mark.parametrize("version", VERSIONS)
def test_f44_what_is_there_is_judged_by_a_request_and_not_by_what_codex_believes(version: str, tmp_path: Path) -> None:
    """Not signed in; signed in and refused; signed in by ChatGPT and the renewal refused; good."""

    async def proof(sshd: SystemSshd) -> tuple[SignInProof, str]:
        async with bench_at(sshd) as bench:
            judged = await prove_login(bench, how="status")
            return judged.proof, judged.detail

    with login_endpoint() as endpoint, host_with(version, tmp_path, endpoint) as sshd:
        endpoint.refuses = True
        assert run(proof(sshd))[0] is SignInProof.MISSING
        (sshd.home / ".codex/auth.json").write_text('{"auth_mode": "apikey", "OPENAI_API_KEY": "sk-dead"}')
        assert run(proof(sshd))[0] is SignInProof.REFUSED
        write_chatgpt_login(sshd.home / ".codex", seconds=-100)
        refused, detail = run(proof(sshd))
        assert refused is SignInProof.REFUSED
        assert "refresh" in detail
        endpoint.refuses = False
        assert run(proof(sshd))[0] is SignInProof.OK


def test_the_secret_is_in_no_process_table_log_file_of_ours_or_answer(tmp_path: Path) -> None:
    """A canary, looked for in every command line and environment of the machine all through the login."""
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for place in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        data = (place / name).read_bytes()
                    except OSError:
                        continue
                    if CANARY.encode() in data and int(place.name) != os.getpid():
                        seen.append(f"{place.name} {data!r}")
            over.wait(0.005)

    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:
        watcher = threading.Thread(target=watch)
        watcher.start()
        progress = Progress()
        try:
            finding = brought(sshd, wish(), progress)
        finally:
            over.set()
            watcher.join(10)
        assert seen == []
        assert CANARY not in f"{finding}{progress}"
        holders = [
            file.relative_to(sshd.home)
            for file in sshd.home.rglob("*")
            if file.is_file() and not file.is_symlink() and CANARY.encode() in file.read_bytes()
        ]
        assert holders == [Path(".codex/auth.json")]
        assert CANARY not in sshd.log_text()


def test_a_run_that_was_killed_between_proof_and_place_goes_on_the_next_time(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as sshd:

        async def half() -> None:
            async with bench_at(sshd) as bench:
                await sign_in(bench, LoginKind.API_KEY, Secret(CANARY))

        run(half())
        assert not (sshd.home / ".codex/auth.json").exists()
        brought(sshd, wish())
        assert auth_of(sshd)["OPENAI_API_KEY"] == CANARY
        assert not list((sshd.home / ".local/state/remora").rglob("login.new"))

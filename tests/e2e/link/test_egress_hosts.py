"""Hosts without a network: what they reach through this machine, and what they do not."""

import asyncio
import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.base.documents import commands, section
from tests.support.base.loop import run
from tests.support.base.until import until, wait_until
from tests.support.codex.attached import ROOT, AttachedHost, attached_host
from tests.support.sshd.system_sshd import free_port

import remora
from remora.demo.scripted_model import Gate, Say, Step, Wait

REMORA = (sys.executable, "-m", "remora")
NOBODY = "nobody"
OUTSIDE = "10.9.8.7"
"""An address of the host that is not its loopback."""

pytestmark = [pytest.mark.sshd, pytest.mark.codex]


def opened(host: AttachedHost, *words: str) -> dict[str, Any]:
    document = host.hub.document("forward", "--egress", "devbox", *words)
    assert document["kind"] == "forward", document
    (egress,) = document["egresses"]
    return {**egress, "changed": document["changed"]}


def listed(host: AttachedHost) -> list[dict[str, Any]]:
    egresses: list[dict[str, Any]] = host.hub.document("forward", "list")["egresses"]
    return egresses


def curl(host: AttachedHost, *words: str) -> "subprocess.CompletedProcess[str]":
    """curl on the host, which asks no proxy that it was not told of."""
    command = host.sshd.inside("curl", "-q", "-sS", "--noproxy", "", "-m", "20", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def start_server_again(host: AttachedHost) -> None:
    """End the app server; the link starts it again, with what its environment is then."""

    def owner() -> tuple[str, str]:
        (link,) = host.hub.document("status")["links"]
        return link["liveness"], link["server_owner"]

    before = owner()
    process = re.search(r"process (\d+)", before[1])
    assert process is not None
    subprocess.run(host.sshd.inside("kill", process[1]), check=True)
    wait_until(lambda: owner()[0] == "live" and owner() != before)


@contextmanager
def listening_as_nobody(port: int) -> Iterator[None]:
    """Another account listens at a port of the loopback."""
    code = (
        f"import os,socket,time; os.setuid({pwd.getpwnam(NOBODY).pw_uid}); s=socket.socket(); "
        f"s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', {port})); s.listen(); "
        "print('there', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        try:
            yield
        finally:
            process.kill()


def run_turn(host: AttachedHost, *words: str) -> str:
    done = host.hub.run("run", "devbox:project", "please", *words)
    return f"{done.returncode} {done.stdout.decode()} {done.stderr.decode()}"


def place_of(host: AttachedHost) -> str:
    """Where the model is, as this machine calls it."""
    return urlsplit(host.model.base_url).netloc


@contextmanager
def tls_before(place: str, folder: Path) -> Iterator[str]:
    """A place that speaks TLS with a certificate of its own, in `folder`, and passes on what comes to `place`."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=model")
    extensions = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
    subprocess.run([*make, *extensions, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    host, port = place.split(":")
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(host, int(port))

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
                target.close()

        await asyncio.gather(copy(reader, behind_writer), copy(behind_reader, writer))

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_f35_codex_on_a_host_without_network_works_through_the_laptops_proxy(tmp_path: Path) -> None:
    with attached_host([Say("From afar.")], tmp_path, network=False) as host:
        assert curl(host, host.model.base_url).returncode == 7  # nothing of this machine is there
        egress = opened(host, place_of(host))
        (host.sshd.home / ".codex/.env").write_text(f"HTTP_PROXY={egress['url']}\n")
        start_server_again(host)
        again = opened(host, place_of(host), "--port", str(egress["port"]))
        assert (again["url"], again["changed"]) == (egress["url"], False)
        said = run_turn(host)
        assert said.startswith("0 "), said
        assert "From afar." in said
        assert host.model.requests


def test_f35_codex_goes_on_when_the_link_to_its_model_is_cut_and_made_again(tmp_path: Path) -> None:
    gate = Gate()
    steps: list[Step] = [Say("One, two.", ends_turn=False, piece=2), Wait(gate), Say("And the end.")]
    with attached_host(steps, tmp_path, network=False) as host:
        port = free_port()
        settings = host.sshd.home / ".codex/config.toml"
        text = settings.read_text().replace(place_of(host), f"127.0.0.1:{port}")
        settings.write_text(text.replace("max_retries = 0", "max_retries = 20"))
        egress = opened(host, "--to", place_of(host), "--port", str(port))
        assert (egress["shape"], egress["port"], egress["changed"]) == ("direct", port, True)

        async def go() -> str:
            async with host.started(*REMORA, "run", "devbox:project", "please") as process:
                await gate.reached()
                host.cut()
                await until(lambda: host.sshd.accepted_logins() == 2)
                gate.open()
                written, _ = await process.communicate()
                return written.decode()

        assert "And the end." in run(go())
        (after,) = listed(host)
        assert (after["port"], after["wanted"], after["error"]) == (port, port, None)
        assert not opened(host, "--to", place_of(host))["changed"]


def test_f35_codex_speaks_tls_to_its_model_through_the_proxy_and_its_password(tmp_path: Path) -> None:
    with (
        attached_host([Say("Sealed.")], tmp_path, network=False) as host,
        tls_before(place_of(host), tmp_path) as place,
    ):
        settings = host.sshd.home / ".codex/config.toml"
        settings.write_text(settings.read_text().replace(f"http://{place_of(host)}", f"https://{place}"))
        egress = opened(host, place)
        environment = host.sshd.home / ".codex/.env"
        environment.write_text(f"HTTPS_PROXY={egress['url']}\nSSL_CERT_FILE={tmp_path / 'certificate.pem'}\n")
        start_server_again(host)
        said = run_turn(host)
        assert "Sealed." in said, said
        assert listed(host)[0]["refused"] == 0
        environment.write_text(environment.read_text().replace("remora:", "remora:not"))
        start_server_again(host)
        assert run_turn(host, "--timeout", "5").startswith("14 ")  # codex takes it for no network, and waits for one
        assert "password" in listed(host)[0]["trouble"]


def test_only_what_was_named_is_reached_and_only_with_the_password(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path, network=False) as host, socket.socket() as unnamed:
        unnamed.bind(("127.0.0.1", 0))
        unnamed.listen()
        url = opened(host, place_of(host))["url"]
        models = f"{host.model.base_url}/models"
        assert curl(host, "-x", url, models).stdout.startswith("{")
        assert curl(host, "-p", "-x", url, models).stdout.startswith("{")
        other = f"127.0.0.1:{unnamed.getsockname()[1]}"
        for tunnel in ([], ["-p"]):
            refused = curl(host, "-i", *tunnel, "-x", url, f"http://{other}/")
            assert "403" in refused.stdout, refused
        assert (
            f"remora: {other} is not a destination of this egress; allowed: {place_of(host)}"
            in curl(host, "-x", url, f"http://{other}/").stdout
        )
        bare = f"http://127.0.0.1:{urlsplit(url).port}"
        assert "407" in curl(host, "-i", "-x", bare, models).stdout
        assert "407" in curl(host, "-i", "-x", bare.replace("//", "//remora:guess@"), models).stdout
        assert "400" in curl(host, "-i", bare).stdout
        unnamed.setblocking(False)
        with pytest.raises(BlockingIOError):
            unnamed.accept()
        (egress,) = listed(host)
        assert egress["refused"] == 6
        assert egress["url"] is None
        told = host.hub.run("forward", "list")
        assert b"6 refused, last:" in told.stdout
        stopped = host.hub.document("forward", "stop", "devbox", str(egress["port"]))
        assert (stopped["changed"], len(stopped["egresses"])) == (True, 1)
        assert curl(host, bare).returncode == 7
        assert url not in host.hub.log.read_text()
        assert urlsplit(url).password not in host.hub.log.read_text()


def test_the_systems_own_ssh_carries_the_way_out_as_well(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[hosts.devbox]\ntransport = "openssh"\n')
    with attached_host([Say("Done.")], tmp_path, network=False) as host:
        egress = opened(host, place_of(host), "--config", str(settings))
        models = f"{host.model.base_url}/models"
        assert curl(host, "-x", egress["url"], models).stdout.startswith("{")
        assert curl(host, "-p", "-x", egress["url"], models).stdout.startswith("{")
        assert "403" in curl(host, "-i", "-x", egress["url"], "http://127.0.0.1:1/").stdout
        bare = egress["url"].replace(f"{urlsplit(egress['url']).username}:{urlsplit(egress['url']).password}@", "")
        assert "407" in curl(host, "-i", "-x", bare, models).stdout
        host.cut()
        wait_until(lambda: curl(host, "-x", egress["url"], models).stdout.startswith("{"))
        assert listed(host)[0]["port"] == egress["port"]


def test_a_killed_hub_takes_the_way_out_along_and_the_same_command_brings_it_back(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:
        egress = opened(host, place_of(host))
        assert host.hub.pid is not None
        os.kill(host.hub.pid, signal.SIGKILL)
        wait_until(lambda: host.hub.pid is None)
        wait_until(lambda: not host.sshd.connection_processes())
        told = host.hub.run("forward", "list")
        assert b"the hub does not run" in told.stderr
        again = opened(host, place_of(host), "--port", str(egress["port"]))
        assert again["url"] != egress["url"]  # whoever heard the password of before cannot use it
        models = f"{host.model.base_url}/models"
        assert curl(host, "-x", again["url"], models).stdout.startswith("{")
        assert "407" in curl(host, "-i", "-x", egress["url"], models).stdout


def test_a9_each_opening_has_a_password_of_its_own(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:
        urls = [opened(host, place_of(host))["url"]]
        host.hub.run("forward", "stop", "devbox")
        urls.append(opened(host, place_of(host))["url"])
        host.hub.run("disconnect", "devbox")
        urls.append(opened(host, place_of(host))["url"])
        assert opened(host, place_of(host))["url"] == urls[-1]
        assert len({urlsplit(url).password for url in urls}) == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another account")
def test_a9_a_port_that_another_account_took_is_lost_and_said_to_be_whose(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:
        egress = opened(host, place_of(host))
        host.sshd.end_listening()
        with listening_as_nobody(egress["port"]):
            host.sshd.start()
            wait_until(lambda: listed(host)[0]["error"] is not None)
            (lost,) = listed(host)
            assert lost["port"] is None
            assert f"the account {NOBODY} listens on it" in lost["error"]["message"]
            again = opened(host, place_of(host))
            assert again["port"] != egress["port"]
            assert urlsplit(again["url"]).password != urlsplit(egress["url"]).password
        old = egress["url"].replace(str(egress["port"]), str(again["port"]))
        assert "407" in curl(host, "-i", "-x", old, f"{host.model.base_url}/models").stdout


def test_a_host_that_lets_nobody_listen_is_told_with_what_to_change(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path, options=["AllowTcpForwarding no"]) as host:
        refused = host.hub.run("forward", "--egress", "devbox", "api.example.com")
        assert refused.returncode == 9
        assert b"egress-refused" in refused.stderr
        assert b"AllowTcpForwarding" in refused.stderr
        assert listed(host) == []


def test_a_port_that_is_taken_on_the_host_is_refused_by_number(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        document = host.hub.document("forward", "--egress", "devbox", "api.example.com", "--port", port)
        assert document["error"]["code"] == "egress-refused"
        assert port in document["error"]["message"]
        assert "--port" in document["error"]["next"]


def test_f88_nobody_comes_in_from_the_network_where_sshd_listens_for_all_of_it(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path, options=["GatewayPorts yes"], network=False) as host:
        subprocess.run(host.sshd.inside("ip", "addr", "add", f"{OUTSIDE}/32", "dev", "lo"), check=True)
        port = opened(host, "--to", place_of(host))["port"]
        models = f"{urlsplit(host.model.base_url).path}/models"
        assert curl(host, f"http://127.0.0.1:{port}{models}").stdout.startswith("{")
        refused = curl(host, f"http://{OUTSIDE}:{port}{models}")
        assert refused.returncode in (52, 56), refused  # it listens there, and nobody answers
        assert not refused.stdout


def test_the_librarys_way_out_is_gone_when_the_host_is_left(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path, network=False) as host:
        models = f"{host.model.base_url}/models"

        async def go() -> str:
            config = host.hub.environment["REMORA_SSH_CONFIG"]
            async with remora.connect("devbox", ssh_config=config) as devbox:
                async with await devbox.egress(place_of(host), password=False) as egress:
                    assert (await asyncio.to_thread(curl, host, "-x", egress.url, models)).stdout.startswith("{")
                assert (await asyncio.to_thread(curl, host, egress.url)).returncode == 7
                left = await devbox.egress(place_of(host))
                assert (await devbox.status()).egresses[0].port == left.remote_port
                assert "remora:" in left.url
            return left.url

        assert curl(host, run(go())).returncode == 7


def test_the_documented_way_out_works_as_written(tmp_path: Path) -> None:
    text = section((ROOT / "docs/manifest.md").read_text(), "Hosts without internet")
    with attached_host([Say("Done.")], tmp_path, network=False) as host:
        for command in commands(text):
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=host.environment, capture_output=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done}"
        settings = host.sshd.home / ".codex/.env"
        assert settings.stat().st_mode & 0o777 == 0o600
        url = settings.read_text().strip().removeprefix("HTTPS_PROXY=")
        assert "407" not in curl(host, "-i", "-x", url, "http://unnamed.example/").stdout
        assert [egress["port"] for egress in listed(host)] == [8118, 8119]
        shown = host.hub.run("status", "devbox")
        assert b"port 8118 of devbox" in shown.stdout

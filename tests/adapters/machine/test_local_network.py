"""A machine that moves is noticed; one that stays is not."""

import subprocess
import sys

from tests.support.base.required import missing

from remora.adapters.machine.local_network import SystemNetwork

LIMIT = 30.0
_MOVE = """
import subprocess, sys
from remora.adapters.machine.local_network import SystemNetwork
def ip(*words): subprocess.run(["ip", *words], check=True)
network = SystemNetwork()
seen = [network.signature()]
ip("link", "set", "lo", "up"); ip("tuntap", "add", "dev", "wlan9", "mode", "tun"); ip("link", "set", "wlan9", "up")
ip("addr", "add", "192.168.7.2/24", "dev", "wlan9"); ip("route", "add", "default", "dev", "wlan9")
seen.append(network.signature())
ip("addr", "add", "192.168.8.2/24", "dev", "wlan9"); ip("addr", "del", "192.168.7.2/24", "dev", "wlan9")
subprocess.run(["ip", "route", "add", "default", "dev", "wlan9"])
seen.append(network.signature())
ip("tuntap", "add", "dev", "veth7", "mode", "tun")
seen.append(network.signature())
print(len({*seen[:3]}), seen[3] == seen[2])
"""


def test_f75_the_signature_stays_while_nothing_happens() -> None:
    assert SystemNetwork().signature() == SystemNetwork().signature() != ""


def test_f75_another_address_or_network_is_another_signature_and_a_container_is_not() -> None:
    words = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", _MOVE]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode != 0:
        missing(f"network namespaces or iproute2 are not to be had here: {done.stderr.strip()[-200:]}")
    assert done.stdout.split() == ["3", "True"]

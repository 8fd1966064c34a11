"""provision at once on two machines with one home: each has a marker, a lock, records and a server of its own."""

import pytest
from tests.containers.test_ordinary_hosts import STEPS, run_prompt
from tests.containers.test_provision_ordinary import WHOLE, make_origin
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_manifest import assert_unchanged, laptop, outcomes
from tests.support.containers.container_model import model_reached

from remora.demo.scripted_model import ScriptedModel

pytestmark = [pytest.mark.containers, pytest.mark.codex]
FOREIGN = "0.163.0-Linux-aarch64-0123456789ab"


def test_f61_f39_f36_two_machines_with_one_home_are_made_ready_at_once(container_hosts: ContainerHosts) -> None:
    with (
        container_hosts.visit_all(["twin-a", "twin-b"]) as (first, second),
        ScriptedModel(STEPS) as model,
        model_reached(first, model),
        model_reached(second, model),
        laptop(first) as box,
    ):
        kept = ".local/share/remora/codex"
        first.write(f"{kept}/{FOREIGN}/bin/codex", "of another architecture")
        first.exec("ln", "-s", FOREIGN, f"{first.home}/{kept}/current-Linux-aarch64")
        manifest = (
            WHOLE.replace("~/origin.git", make_origin(first))
            .replace("{{ alias }}", "shared")
            .replace("[defaults.path]", "keep = 1\n[defaults.path]")
        )
        box.write(manifest, first, second)
        hosts = box.provision()
        problems = [step["error"] for host in hosts for step in host["steps"] if step["error"]]
        assert [(host["ok"], host["dials"]) for host in hosts] == [(True, 1)] * 2, problems
        for own in ("server", "setup:~/src/app", "smoke:~/src/app"):
            assert [outcomes(host)[own] for host in hosts] == ["changed"] * 2, hosts
        for host in box.provision():
            assert_unchanged(host)

        identities = [account.host.exec("cat", "/etc/machine-id").stdout.strip() for account in (first, second)]
        states = {path for path in first.files() if path.endswith("/provision")}
        assert states == {f".local/state/remora/{identity}/provision" for identity in identities}
        for account in (first, second):
            waited = box.place.document("wait", account.alias, "--for", "provisioned", "--timeout", "60")
            assert waited["ok"], waited
        assert first.read(f"{kept}/{FOREIGN}/bin/codex") == "of another architecture"
        left = [path for path in first.files() if "/.part-" in path or "/.new-" in path or "/.try-" in path]
        assert left == []
        for account in (first, second):
            assert run_prompt(box.place, account)["outcome"] == "completed"
            assert model.requests[-1].tool_outputs[0].count(account.host.name) == 1
            assert len([line for line in account.processes() if "app-server" in line]) == 1

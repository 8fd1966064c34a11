"""A real sshd that is to have three lines."""

from tests.support.base.loop import run
from tests.support.provision.provision_bench import DIGEST, Hook, LineStep, marker_at, nothing
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.server.markers import Readiness
from remora.core.settings import Limits
from remora.wire.reports.provision import HostProvision

NAMES = ("one", "two", "three")
ONCE = Limits(provision_retries=1, provision_lock=20.0)


def steps(hook: Hook = nothing, *, at: str = "") -> list[LineStep]:
    """Three steps; `hook` is that of the one named."""
    return [LineStep(name, hook=hook if name == at else nothing) for name in NAMES]


def outcomes(host: HostProvision) -> list[str]:
    return [step.outcome for step in host.steps]


def written(sshd: SystemSshd) -> list[str]:
    """Which files were written, in order."""
    file = sshd.home / "written"
    return file.read_text().split() if file.exists() else []


def assert_is_ready(sshd: SystemSshd) -> None:
    assert all((sshd.home / name).read_text() == "wished" for name in NAMES)
    marker = run(marker_at(sshd))
    assert (marker.readiness, marker.digest) == (Readiness.READY, DIGEST)
    assert not list(sshd.runtime_folder.rglob("provision-*")), "a lock was left"
    assert not [path for path in sshd.home.iterdir() if ".remora-" in path.name], "half a file was left"

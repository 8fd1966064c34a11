"""For every test: a temporary folder of its worker's own, and nothing left behind."""

import inspect
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.base.leaks import WORKER_TAG, holdings, leaked
from tests.support.base.loop import run
from tests.support.base.required import REQUIRE_ALL

# Thousands of programs start here. Each module is compiled once, also where the environment says: write no bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says how busy this machine is, and nothing of what is tested.
settings.register_profile("remora", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("remora")


@pytest.fixture(scope="session", autouse=True)
def worker_markers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, ...]]:
    """Give this worker its own temporary folder and a tag; both are how its processes are known."""
    base = tmp_path_factory.getbasetemp()
    tag = uuid.uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix="remora-tests-"))
    (folder / "run").mkdir(mode=0o700)
    (folder / "state").mkdir()
    saved = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    os.environ[WORKER_TAG] = tag
    ours = pytest.MonkeyPatch()  # a hub of the person who runs the tests is none of theirs
    ours.setenv("REMORA_RUNTIME_DIR", str(folder / "run"))
    ours.setenv("XDG_STATE_HOME", str(folder / "state"))
    yield tag.encode(), os.fsencode(folder), os.fsencode(base)
    ours.undo()
    tempfile.tempdir = saved[0]
    os.environ.pop(WORKER_TAG)
    if saved[1] is None:
        os.environ.pop("TMPDIR")
    else:
        os.environ["TMPDIR"] = saved[1]
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def signals_heard() -> None:
    """Whoever started the tests may ignore signals (``&`` in a script, ``nohup``); programs inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_leaks(worker_markers: tuple[bytes, ...]) -> Iterator[None]:
    """Fail a test that leaves a process, descriptor, thread or temporary file."""
    earlier = holdings(worker_markers)
    yield
    found = leaked(earlier, lambda: holdings(worker_markers))
    if found:
        pytest.fail("left behind:\n  " + "\n  ".join(found), pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: half of the time, a test waits for a host, a process or a clock."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests go first, the others in their random order: one at the end would keep a single worker busy."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine gets a loop of its own, and leaves no task behind."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = inspect.signature(pyfuncitem.function).parameters
    run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a skipped test has failed."""
    report = yield
    _require(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Likewise for a whole module that skips itself."""
    report = yield
    _require(report)
    return report


def _require(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"everything is required here, but: {reason}"

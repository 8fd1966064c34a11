"""The container hosts, shared by all workers of the run."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from tests.support.containers import compose


@pytest.fixture(scope="session")
def container_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[compose.ContainerHosts]:
    """The hosts of docker/compose.yaml run, but for machines; started when the first test asks."""
    with _shared_hosts(tmp_path_factory, "containers", compose.NAMES) as hosts:
        yield hosts


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[compose.ContainerHosts]:
    """The machine of docker/compose.yaml runs and has booted; started when the first test asks."""
    with _shared_hosts(tmp_path_factory, "machines", compose.MACHINES) as hosts:
        for name in compose.MACHINES:
            hosts[name].wait_ready()
        yield hosts


@contextmanager
def _shared_hosts(
    tmp_path_factory: pytest.TempPathFactory, folder: str, names: Sequence[str]
) -> Iterator[compose.ContainerHosts]:
    base, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base, owner = base.parent, os.getppid()
    with compose.container_hosts(base / f"{folder}-{owner}", owner=owner, names=names) as hosts:
        yield hosts

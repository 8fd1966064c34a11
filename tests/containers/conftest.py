"""The container hosts, shared by all workers of the run."""

import os
from collections.abc import Iterator

import pytest
from tests.support import containers


@pytest.fixture(scope="session")
def container_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[containers.ContainerHosts]:
    """Every host of docker/compose.yaml runs; started when the first test asks."""
    base, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base, owner = base.parent, os.getppid()
    folder = base / f"containers-{owner}"
    with containers.container_hosts(folder, owner=owner) as hosts:
        yield hosts

"""What to do when a test cannot have what it needs: skip on a developer's machine, fail where all is required."""

import os
import subprocess
from typing import NoReturn

import pytest

REQUIRE_ALL = os.environ.get("REMORA_REQUIRE") == "all"


def missing(reason: str) -> NoReturn:
    """End the test: skipped with `reason` locally, failed when ``REMORA_REQUIRE=all``."""
    if REQUIRE_ALL:
        pytest.fail(f"required here, but {reason}", pytrace=False)
    pytest.skip(reason)


def need_mounts() -> None:
    """End the test where this account cannot put other files in the place of the machine's, for itself alone."""
    if os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        missing("only root in a machine with mount namespaces may mount")

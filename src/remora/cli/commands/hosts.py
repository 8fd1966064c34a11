"""The command `remora hosts`."""

from remora.cli.options import Options, common_options
from remora.cli.parts import make_app

app = make_app(default="list")


@app.callback()
@common_options
def hosts(options: Options) -> None:
    """List the hosts of the SSH config."""


@app.command("list")
@common_options
def list_(options: Options) -> int:
    """List every concrete alias with its file and line."""
    return 0

"""The command `remora demo`."""

from dataclasses import replace
from typing import TYPE_CHECKING

from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

if TYPE_CHECKING:
    from remora.cli.process.early_end import EarlyEnd

app = make_app()


@app.command()
@common_options
def demo(options: Options) -> int:
    """Play the whole thing offline.

    With an SSH host, a scripted model and the real app server; afterwards nothing of them is left. It checks the
    host, runs a thread that repairs a small project, asks you one approval, and shows the report.
    """
    from remora.cli.process.early_end import EarlyEnd

    ending = EarlyEnd()
    return run_async(_play(options, ending), options, ending)


async def _play(options: Options, ending: "EarlyEnd") -> int:
    from remora import api
    from remora.cli.frame.output import tell
    from remora.cli.host.check_show import check_and_show
    from remora.cli.thread.run_show import run_and_show
    from remora.core.approval.rules import OnApproval
    from remora.demo.scene import DemoAnswers, demo_scene

    async with demo_scene() as scene:
        there = replace(options, ssh_config=str(scene.ssh_config))
        tell(f"$ remora check {scene.alias}")
        await check_and_show([scene.alias], there)
        tell(f'\n$ remora run {scene.alias}:{scene.folder} "{scene.prompt}"')
        request = api.run_request(scene.prompt, folder=scene.folder)
        answers = DemoAnswers(tell)
        return await run_and_show(
            scene.alias, request, there, ending, on_approval=OnApproval.ASK, unattended=answers, lasting=False
        )

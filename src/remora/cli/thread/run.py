"""The command `remora run`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import limit_blocking, run_async
from remora.cli.frame.values import local_path, one_of

app = make_app()


@app.command()
@common_options
def run(
    options: Options,
    place: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS[:DIR]",
            help="The host and the folder to work in (without :DIR the home folder); ALIAS/ID continues a thread.",
            autocompletion=complete_alias,
        ),
    ],
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="The task; - reads it from standard input.")
    ] = None,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="Continue this thread: its id, the beginning of it, or its name.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="The model to use.")] = None,
    effort: Annotated[str | None, typer.Option(metavar="LEVEL", help="How hard the model thinks.")] = None,
    sandbox: Annotated[
        str | None,
        typer.Option(
            "--sandbox",
            "-s",
            metavar="MODE",
            help="Sandbox mode: read-only, workspace-write or danger-full-access.",
            **one_of("--sandbox", "read-only", "workspace-write", "danger-full-access"),
        ),
    ] = None,
    approval_policy: Annotated[
        str | None,
        typer.Option(
            "--approval-policy",
            "-a",
            metavar="POLICY",
            help="Approval policy: untrusted, on-request, on-failure or never.",
            **one_of("--approval-policy", "untrusted", "on-request", "on-failure", "never"),
        ),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", "-i", metavar="FILE", parser=local_path, help="Attach an image; may be repeated."),
    ] = None,
    on_approval: Annotated[
        str | None,
        typer.Option(
            metavar="WAY",
            help="What happens when the agent asks: ask (the default on a terminal), fail (the default elsewhere: "
            "decline, exit 11), decline (and go on), cancel (stop the turn). No choice grants anything.",
            **one_of("--on-approval", "ask", "fail", "decline", "cancel"),
        ),
    ] = None,
    trust_folder: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="Use the repository's MCP servers, hooks, rules and configuration if they have this hash. Without "
            "it remora asks on a terminal, and elsewhere uses none of them.",
        ),
    ] = None,
    codex: CodexPath = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how the app server would be reached; start nothing.")
    ] = False,
) -> int:
    """Run a prompt on a host and stream what happens.

    On a pipe, standard output has the agent's messages and nothing else; what happens meanwhile goes to
    standard error. With --json standard output has one event per line, the report last. Ctrl-C stops the
    turn on the host; a second one leaves it running there.

    Examples:

      remora run devbox:~/proj "fix the failing test"

      git diff | remora run devbox:proj - --sandbox read-only

      remora run --thread ID devbox "now commit it"
    """
    from remora import api
    from remora.cli.frame.typed import attach_images, named_thread, read_place, read_prompt
    from remora.cli.link.plan_show import plan_and_show
    from remora.cli.process.early_end import EarlyEnd
    from remora.cli.thread.run_show import run_and_show
    from remora.core.approval.rules import OnApproval

    address = read_place(place)
    if dry_run:
        return run_async(plan_and_show(address, options, codex=codex), options)
    way = OnApproval.ASK if on_approval is None else OnApproval(on_approval)
    with limit_blocking(options):
        words, images = read_prompt(prompt, address), attach_images(image or [])
    request = api.run_request(
        words,
        folder=address.folder,
        thread=named_thread(thread, address),
        model=model,
        effort=effort,
        sandbox=sandbox,
        approval_policy=approval_policy,
        images=images,
    )
    ending = EarlyEnd()
    running = run_and_show(
        address.alias, request, options, ending, on_approval=way, codex=codex, trust_folder=trust_folder
    )
    return run_async(running, options, ending)

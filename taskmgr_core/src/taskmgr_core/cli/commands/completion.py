"""``taskmgr completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from taskmgr_core.cli.groups import Command

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=Command,
    examples=[
        "taskmgr completion bash >> ~/.bashrc",
        'taskmgr completion zsh > "${fpath[1]}/_taskmgr"',
        "taskmgr completion fish > ~/.config/fish/completions/taskmgr.fish",
    ],
)
@click.argument("shell", type=click.Choice(SHELLS), help="Which shell.")
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, the names of tasks and pipelines, their
    inputs, and the ids of runs.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click has no completion for {shell}")
    root = ctx.find_root()
    script = found(root.command, {}, "taskmgr", "_TASKMGR_COMPLETE")
    click.echo(script.source())

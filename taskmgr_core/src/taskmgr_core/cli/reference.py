"""The reference of the command line, written from the commands themselves.

``python -m taskmgr_core.cli.reference > docs/reference/cli.md`` renews it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import click

from taskmgr_core.cli.application import taskmgr
from taskmgr_core.cli.endings import MEANINGS

INTRODUCTION = """# The command line

`taskmgr COMMAND --help` says the same, with the same examples. This page is written from the
commands by `python -m taskmgr_core.cli.reference`, and a test keeps it current.

Results go to stdout, everything else to stderr. `--json` prints one JSON value on stdout and
nothing else; every key is always there, moments are ISO 8601 in UTC, durations are seconds. Without
a terminal there are no colours and nothing moves; `NO_COLOR` and `COLUMNS` are heeded.

With `--json`, a command that ends with an error prints `{"error": {"code": ..., "message": ...,
"problems": [{"place": ..., "message": ...}, ...]}}`. The message is on stderr too, and the exit
code is the same as without. A run that failed is no error of the command: it is printed like any
other, with its own `error`. Where a value was printed before the error, as by `--png` on a run
without a picture, it stays the only one.

| `error.code` | what is wrong |
| --- | --- |
| `usage` | the command line |
| `invalid-value` | an input, a document or a file; `problems` has each fault with its place |
| `invalid-pipeline` | a pipeline; `problems` has each fault with its place |
| `not-found` | nothing has that name or id |
| `conflict` | something else is stored under that name |
| `publish`, `task-definition` | a plugin cannot be published as it is |
| `settings` | a setting |
| `environment`, `artifact`, `store`, `platform` | the platform is in trouble |
| `internal` | a bug in taskmgr |
| a [code of a failure](failures.md) | a task, while it was tried |

A run is named by its id, by the beginning of it, or by its last 8 characters.
"""


def reference() -> str:
    """The page ``docs/reference/cli.md``."""
    return "\n".join(_page()).rstrip() + "\n"


def _page() -> Iterator[str]:
    context = click.Context(taskmgr, info_name="taskmgr")
    yield INTRODUCTION
    yield "## Exit codes\n"
    yield from _table(("code", "meaning"), MEANINGS)
    yield "## Options of every command\n"
    yield from _parameters(taskmgr, context)
    for name in taskmgr.list_commands(context):
        command = taskmgr.get_command(context, name)
        if command is not None:
            yield from _command(command, click.Context(command, info_name=name, parent=context), 2)


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    if not isinstance(command, click.Group):
        pieces = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{context.command_path} {pieces}\n```\n"
        yield from _parameters(command, context)
        examples: Sequence[str] = getattr(command, "examples", ())
        yield "```sh\n" + "\n".join(examples) + "\n```\n"
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if inner is not None:
            yield from _command(inner, click.Context(inner, info_name=name, parent=context), 3)


def _parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    """Arguments and options with their meaning; ``--help`` goes without saying."""
    records = [each.get_help_record(context) for each in command.params]
    rows = [(f"`{record[0]}`", record[1]) for record in records if record is not None]
    if rows:
        yield from _table(("", ""), rows)


def _table(heading: tuple[str, str], rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"| {heading[0]} | {heading[1]} |"
    yield "| --- | --- |"
    for first, second in rows:
        yield f"| {_escaped(first)} | {_escaped(second)} |"
    yield ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    click.echo(reference(), nl=False)

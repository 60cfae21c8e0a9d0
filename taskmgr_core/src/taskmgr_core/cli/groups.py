"""Commands with examples, and a group that imports a command when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from taskmgr_core.cli.importing import importing

OVER_HTTP = "taskmgr.over_http"


class Entry(NamedTuple):
    """A command in the table of a group: known by name and one line, imported when needed.

    Attributes:
        name: what users type.
        module: the module in ``taskmgr_core.cli.commands`` that has it.
        help: one line; the same as the command's own.
        section: under which heading the help lists it.
    """

    name: str
    module: str
    help: str
    section: str

    def load(self) -> click.Command:
        """The command itself."""
        module = importlib.import_module(f"taskmgr_core.cli.commands.{self.module}")
        found: click.Command = getattr(module, f"{self.name}_command")
        return found


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = tuple(examples)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry it out: here, or over HTTP where a server is named."""
        if ctx.find_root().meta.get(OVER_HTTP):
            from taskmgr_core.cli.over_http import carried_out  # not needed for anything but this

            if (remote := carried_out(ctx)) is not None:
                return remote()
        return super().invoke(ctx)

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        _write_examples(self.examples, formatter)


class Group(click.Group):
    """A group of commands whose help ends with examples."""

    command_class = Command

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = tuple(examples)

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        _write_examples(self.examples, formatter)


class LazyGroup(click.Group):
    """The top group. Its help imports no command.

    Arguments:
        entries: its commands, in the order of the help.
        examples: for the end of the help.
        notes: heading -> (term, meaning), for the end of the help.
    """

    def __init__(
        self,
        *arguments: Any,
        entries: Sequence[Entry] = (),
        examples: Sequence[str] = (),
        notes: dict[str, list[tuple[str, str]]] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.entries = {each.name: each for each in entries}
        self.examples = tuple(examples)
        self.notes = dict(notes or {})

    def list_commands(self, _: click.Context) -> list[str]:
        """Every name, in the order of the help."""
        return list(self.entries)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        entry = self.entries.get(cmd_name)
        return None if entry is None else entry.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a wrong name is told the nearest ones."""
        name = args[0]
        if name not in self.entries and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(name, possibilities=list(self.entries), ctx=ctx)
        with importing():
            return super().resolve_command(ctx, args)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under their headings."""
        longest = max(len(name) for name in self.entries)
        for section in dict.fromkeys(each.section for each in self.entries.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (each.name.ljust(longest), each.help)
                        for each in self.entries.values()
                        if each.section == section
                    ]
                )

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples and notes."""
        _write_examples(self.examples, formatter)
        for heading, rows in self.notes.items():
            with formatter.section(heading):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The commands that begin like that; no command is imported for it."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(each.name, help=each.help)
            for each in self.entries.values()
            if each.name.startswith(incomplete)
        ]


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """As written: an example that is wrapped cannot be copied."""
    if not examples:
        return
    with formatter.section("Examples" if len(examples) > 1 else "Example"):
        for each in examples:
            formatter.write(f"{'':{formatter.current_indent}}{each}\n")

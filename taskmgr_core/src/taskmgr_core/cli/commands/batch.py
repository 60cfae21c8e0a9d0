"""``taskmgr batch``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from taskmgr_core.batches.columns import Columns
from taskmgr_core.batches.files import Csv, Failures, JsonLines, Results, RowFile
from taskmgr_core.batches.items import Item, count_lines, of_files, of_lines, paths_of
from taskmgr_core.batches.parquet import ParquetResults
from taskmgr_core.batches.running import WINDOW, BatchResult
from taskmgr_core.cli import completing
from taskmgr_core.cli.arguments import read_inputs
from taskmgr_core.cli.batch_checks import check_constants, check_lines
from taskmgr_core.cli.batch_view import BatchProgress, say_end
from taskmgr_core.cli.endings import FAILED, INTERRUPTED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.paths import pipeline_or_name
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.waiting import terminable
from taskmgr_core.client import Client
from taskmgr_core.specs import Graph, PipelineSpec
from taskmgr_plugins.schemas import TYPE_KEY

_FILES = ("Image", "File", "Array")


@attrs.frozen
class _Batch:
    """What is to be run: the pipeline and how, the items, and how many there are, if known."""

    what: str | PipelineSpec
    items: Iterator[Item]
    count: int | None
    columns: Columns
    version: str | None
    no_cache: bool = False


@click.command(
    "batch",
    cls=Command,
    examples=[
        "taskmgr batch face_processing --input 'images/*.jpg' --out faces.jsonl",
        "taskmgr batch text_sentiment --inputs texts.jsonl --out sentiments.parquet",
        "taskmgr batch resize --input image='in/**/*.png' --set width=640 --out sizes.csv",
    ],
)
@click.argument(
    "name",
    help="A published task or pipeline, or a pipeline file.",
    shell_complete=completing.names,
)
@click.option(
    "--input",
    "patterns",
    multiple=True,
    metavar="[FIELD=]PATTERN",
    help="Files, as 'images/*.jpg' in quotes; without a field they are for the one input that "
    "takes files, or the only one that has to be given. May be given again.",
)
@click.option(
    "--inputs",
    "lines",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file, or a pipe, with the inputs of one run as a JSON object on each line.",
)
@click.option(
    "--id",
    "id_field",
    default="",
    metavar="FIELD",
    help="With --inputs: the property that is an item's id and no input; by default the id is "
    "a digest of the line.",
)
@click.option(
    "--set",
    "constants",
    multiple=True,
    metavar="FIELD=VALUE",
    help="An input that is the same for all, written as for run. May be given again.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The results: a .jsonl, .csv or .parquet file. What it has already is not done again.",
)
@click.option(
    "--window",
    type=click.IntRange(1, 1000),
    default=WINDOW,
    show_default=True,
    help="How many runs are under way at once.",
)
@click.option(
    "--version", "version", metavar="V", help="The version of a task; else what new runs get."
)
@click.option(
    "--no-cache", is_flag=True, help="Compute every step, and replace what is cached of them."
)
@json_option
@click.pass_obj
def batch_command(
    session: Session,
    name: str,
    patterns: tuple[str, ...],
    lines: Path | None,
    id_field: str,
    constants: tuple[str, ...],
    out: Path,
    window: int,
    version: str | None,
    no_cache: bool,
    as_json: bool,
) -> int:
    """Run a pipeline over many inputs; keep every result.

    Each result is in the file as soon as it is there. Called again with the
    same --out, it goes on where it was interrupted, and tries again what has
    failed. Failures are in a file beside it, with .failures.jsonl for the suffix.
    """
    if bool(patterns) == bool(lines):
        both = ", not both" if lines else ""
        raise click.UsageError(f"give --input 'PATTERN' or --inputs FILE{both}")
    if id_field and not lines:
        raise click.UsageError("--id goes with --inputs")
    with session.client() as client:
        batch = _prepared(client, name, patterns, lines, id_field, constants, version)
        batch = attrs.evolve(batch, no_cache=no_cache)
        results = _results(out, batch.columns)
        failures_file = out.with_suffix(".failures.jsonl")
        with contextlib.ExitStack() as stack:
            stack.callback(results.close)
            failures = Failures(failures_file)
            progress = BatchProgress(session.screen, batch.count)
            interrupted = _run(client, batch, results, failures, window, progress)
            left = failures.close(results.done, whole=not interrupted)
    say_end(session.screen, progress, left, out, failures_file, interrupted, as_json)
    return INTERRUPTED if interrupted else FAILED if left else OK


def _prepared(
    client: Client,
    name: str,
    patterns: Sequence[str],
    lines: Path | None,
    id_field: str,
    constants: Sequence[str],
    version: str | None,
) -> _Batch:
    what = pipeline_or_name(name, client.metadata)
    graph = client.graph(what, version)
    same = read_inputs(graph.inputs, constants, client.reader.working)
    columns = Columns.of(graph, same, version)
    if lines is not None:
        check_constants(client.reader, graph, same, graph.inputs)
        count = count_lines(lines)
        if count is not None:
            check_lines(graph, same, lines, id_field)
        items = of_lines(lines, lambda given: {**same, **given}, id_field)
        return _Batch(what, items, count, columns, version)
    field, wanted = _field_and_patterns(graph, patterns, same)
    check_constants(client.reader, graph, same, [field])
    paths = paths_of(wanted)
    items = of_files(paths, _reading(client, graph, field, same))
    return _Batch(what, items, len(paths), columns, version)


def _reading(
    client: Client, graph: Graph, field: str, same: Mapping[str, Any]
) -> Callable[[str], Mapping[str, Any]]:
    """What gives the inputs for a file: as ``taskmgr run NAME field=@FILE`` does."""

    def read(path: str) -> Mapping[str, Any]:
        return {**same, **read_inputs(graph.inputs, [f"{field}=@{path}"], client.reader.working)}

    return read


def _field_and_patterns(
    graph: Graph, given: Sequence[str], same: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """The input that the files are for, and their patterns without its name."""
    fields, patterns = set(), []
    for each in given:
        field, equals, pattern = each.partition("=")
        if equals and field in graph.inputs:
            fields.add(field)
            patterns.append(pattern)
        else:
            fields.add(_only_field(graph, same))
            patterns.append(each)
    if len(fields) > 1:
        raise click.UsageError(
            f"--input is given for {' and '.join(sorted(fields))}; a batch goes over the files of "
            f"one input, and --inputs takes lines with several"
        )
    return fields.pop(), patterns


def _only_field(graph: Graph, same: Mapping[str, Any]) -> str:
    """The one input that takes files, or the only one that has to be given."""
    left = {name: schema for name, schema in graph.inputs.items() if name not in same}
    taking = [name for name, schema in left.items() if schema.get(TYPE_KEY) in _FILES]
    needed = [name for name in left if name not in graph.optional]
    candidates = taking or needed or list(left)
    if len(candidates) != 1:
        raise click.UsageError(
            f"{graph.name} has the inputs {', '.join(graph.inputs)}; say which of them the files "
            f"are for: --input {candidates[0] if candidates else 'FIELD'}='PATTERN'"
        )
    return candidates[0]


def _results(out: Path, columns: Columns) -> Results:
    suffix = out.suffix.lower()
    if suffix == ".jsonl":
        return RowFile(out, JsonLines(), columns.batch)
    if suffix == ".csv":
        return RowFile(out, Csv(columns), columns.batch)
    if suffix == ".parquet":
        return ParquetResults(out, columns)
    raise click.UsageError(f"the suffix of {out} is none of .jsonl, .csv and .parquet")


def _run(
    client: Client,
    batch: _Batch,
    results: Results,
    failures: Failures,
    window: int,
    progress: BatchProgress,
) -> bool:
    """Run what is not done; whether it was interrupted."""
    todo = (item for item in batch.items if not progress.skips(item, results.done))
    found = client.batch(
        batch.what, todo, window=window, version=batch.version, no_cache=batch.no_cache
    )
    try:
        with terminable(), progress, contextlib.closing(found):
            for result in found:
                _keep(result, batch.columns, results, failures)
                progress.add(result)
    except KeyboardInterrupt:
        return True
    return False


def _keep(result: BatchResult, columns: Columns, results: Results, failures: Failures) -> None:
    if result.result is not None:
        results.add(columns.row(result))
        results.done.add(result.item.id)
        return
    failures.add(
        {
            "item": result.item.id,
            "run": result.run,
            "status": result.status,
            "code": result.code,
            "message": result.message,
        }
    )

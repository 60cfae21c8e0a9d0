"""``taskmgr demo``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from taskmgr_core.addresses import API_PORT
from taskmgr_core.cli.checkout import PIPELINE, find_checkout
from taskmgr_core.cli.endings import FAILED, INTERRUPTED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.leaving import interruptible
from taskmgr_core.cli.lineage_views import tree_up
from taskmgr_core.cli.live import RunProgress
from taskmgr_core.cli.paths import quoted
from taskmgr_core.cli.pictures import write_png, write_report
from taskmgr_core.cli.publishing_view import PublishProgress, published_line
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.runs_view import print_failure
from taskmgr_core.cli.screen import Screen, plain, short_id
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.timings import print_timings
from taskmgr_core.client import Client
from taskmgr_core.errors import TaskmgrError
from taskmgr_core.report.formats import counted, duration
from taskmgr_core.results import present
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import SUMMARY_ENTRY, RunDetail


@click.command(
    "demo",
    cls=Command,
    examples=["taskmgr demo", "taskmgr demo --image photo.jpg --out /tmp/demo"],
)
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture of your own; by default a photograph of a city's people.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the picture and the report go; by default build/demo in the checkout.",
)
@click.pass_obj
def demo_command(session: Session, image: Path | None, out: Path | None) -> int:
    """Find faces in a picture, from publishing to a report.

    Publishes the plugins and pipelines of the checkout, runs face_processing
    (a detector, then attributes and features side by side), and shows the
    result, where each value came from and where the time went.
    """
    began = time.perf_counter()
    checkout = find_checkout(Path.cwd())
    screen, picture = session.screen, image or checkout.picture
    with session.client() as client:
        screen.heading("1  publish", "each plugin: wheel, lock, virtualenv of its own, one load")
        _publish(client, screen, checkout.plugins)
        _publish_pipelines(client, screen, checkout.pipelines)
        screen.heading(f"2  run {PIPELINE}", str(picture))
        detail = _run(client, screen, picture)
        if detail is None:
            return INTERRUPTED
        if detail.result is None:
            print_failure(screen, detail)
            return FAILED
        _show(screen, detail)
        folder = out or checkout.root / "build" / "demo"
        _write(client, screen, detail, folder, picture.stem)
    _say_next(screen, detail, picture)
    screen.line(f"all of it took {duration(time.perf_counter() - began)}", "dim")
    return OK


def _publish(client: Client, screen: Screen, plugins: Sequence[Path]) -> None:
    """Side by side: most of the time is spent waiting for downloads."""
    titles = [each.name for each in plugins]
    with (
        PublishProgress(screen, titles, keep=True, stages=False) as progress,
        ThreadPoolExecutor(os.cpu_count() or 1) as threads,
    ):
        running = [threads.submit(_publish_one, client, progress, each) for each in plugins]
        for each in running:
            each.result()


def _publish_one(client: Client, progress: PublishProgress, path: Path) -> None:
    try:
        published = client.publish(path, progress.of(path.name))
    except TaskmgrError:
        progress.end(path.name, "failed", fine=False)
        raise
    progress.end(path.name, published_line(published))


def _publish_pipelines(client: Client, screen: Screen, pipelines: Sequence[Path]) -> None:
    names = [client.publish_pipeline(each)[0].pipeline for each in pipelines]
    screen.line(f"{counted(len(names), 'pipeline')}: {', '.join(names)}", "dim")


def _run(client: Client, screen: Screen, picture: Path) -> RunDetail | None:
    run_id = new_run_id()
    with interruptible(client, run_id):
        client.submit(PIPELINE, {"image": picture.absolute()}, run_id=run_id)
    try:
        with RunProgress(screen, lines=True, keep=True) as progress:
            client.wait(run_id, on_change=progress.update)
    except KeyboardInterrupt:
        client.cancel(run_id)
        client.wait(run_id)
        click.echo("\ninterrupted; the run is cancelled", err=True)
        return None
    return client.detail(run_id)


def _show(screen: Screen, detail: RunDetail) -> None:
    result = dict(present(detail.result or {}))
    result.pop(SUMMARY_ENTRY, None)
    screen.heading("3  the result, as the pipeline declares it")
    print_result(screen, result)
    screen.heading("4  lineage", "what each value was made from")
    screen.print(tree_up(screen, detail))
    screen.heading("5  where the time went")
    print_timings(screen, detail)


def _write(client: Client, screen: Screen, detail: RunDetail, folder: Path, name: str) -> None:
    open_artifact = client.artifacts.local_path
    written = [
        *write_png(detail, open_artifact, folder / f"{name}.png"),
        *write_report(detail, open_artifact, folder / "report.html"),
    ]
    screen.heading("6  written")
    for each in written:
        screen.line(plain(f"  {_relative(each)}"))


def _say_next(screen: Screen, detail: RunDetail, picture: Path) -> None:
    screen.heading("next")
    for line in (
        f"taskmgr show {short_id(detail.run.id)}",
        f"taskmgr lineage --of {quoted(_relative(picture))}",
        "taskmgr run text_sentiment text='What a lovely day!'",
    ):
        screen.line(plain(f"  {line}"))
    screen.line()
    page = f"http://127.0.0.1:{API_PORT}/runs/{detail.run.id}"
    screen.line(plain(f"its page, while `taskmgr api serve --no-accounts` runs: {page}"))


def _relative(path: Path) -> Path:
    """As short as it can be typed."""
    absolute = path.absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute

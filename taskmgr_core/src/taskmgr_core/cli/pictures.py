"""The files that a run can be written to: pictures with marks, one HTML page, its outputs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from taskmgr_core.cli.screen import Screen, plain
from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.specs import RunDetail
from taskmgr_core.values import references

OpenArtifact = Callable[[str], Path]


def write_files(
    screen: Screen,
    detail: RunDetail,
    open_artifact: OpenArtifact,
    report: Path | None,
    png: Path | None,
    save: Path | None = None,
) -> None:
    """Write what was asked for and say so on stderr."""
    for wanted, write in ((png, write_png), (report, write_report), (save, save_files)):
        if wanted is not None:
            for written in write(detail, open_artifact, wanted):
                screen.err.print(plain(f"written: {written}", "dim"), soft_wrap=True)


def write_png(detail: RunDetail, open_artifact: OpenArtifact, target: Path) -> list[Path]:
    """Write each picture of a run with its boxes, points and labels.

    Arguments:
        detail: the run.
        open_artifact: gives the file with the content of a digest.
        target: the file; the second picture gets ``-2`` before the suffix.

    Raises:
        NotFoundError: nothing in the run lies on a picture.
        InvalidValueError: the file cannot be written.
    """
    # Pillow and the fonts take a moment, and most commands draw nothing.
    from taskmgr_core.report import drawing
    from taskmgr_core.report.overlays import find_overlays

    overlays = find_overlays(detail, open_artifact)
    if not overlays:
        raise NotFoundError(
            f"nothing in run {detail.run.id} lies on a picture; a task says so in the type of an "
            'output: Annotated[Box, On("image")]'
        )
    written = []
    for number, overlay in enumerate(overlays, start=1):
        path = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        with Writing(path):
            drawing.write_png(open_artifact(overlay.image_digest), overlay, path)
        written.append(path)
    return written


def write_report(detail: RunDetail, open_artifact: OpenArtifact, target: Path) -> list[Path]:
    """Write the HTML report of a run.

    Raises:
        InvalidValueError: the file cannot be written.
    """
    from taskmgr_core.report import html  # as above

    with Writing(target):
        html.write_report(detail, open_artifact, target)
    return [target]


def save_files(detail: RunDetail, open_artifact: OpenArtifact, folder: Path) -> list[Path]:
    """Copy the files inside the outputs of a run to ``<folder>/<port>/<name>``.

    Raises:
        NotFoundError: no output has a file.
        InvalidValueError: a file cannot be written.
    """
    written: list[Path] = []
    outputs = [value for value in detail.values if value.producer and not value.source]
    for value in outputs:
        for number, found in enumerate(references(value.document), start=1):
            name = Path(str(found.get("name") or "")).name or f"{value.port}-{number}"
            path = folder / value.port / name
            if path in written:
                path = path.with_name(f"{number}-{name}")
            with Writing(path):
                shutil.copyfile(open_artifact(str(found["$artifact"])), path)
            written.append(path)
    if not written:
        raise NotFoundError(f"no output of run {detail.run.id} has a file to be saved")
    return written


class Writing:
    """Makes the folder, and says which file it was that could not be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from error

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError):
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> InvalidValueError:
        return InvalidValueError(f"{self._path} cannot be written: {error.strerror or error}")

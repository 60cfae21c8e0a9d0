"""What a path on the command line stands for."""

from __future__ import annotations

import shlex
from pathlib import Path

from taskmgr_core.orchestrator.graph import Versions
from taskmgr_core.pipelines import load_pipeline
from taskmgr_core.specs import PipelineSpec

PIPELINE_SUFFIXES = (".json", ".yaml", ".yml")


def quoted(path: Path) -> str:
    """A path as it is typed into a shell, at the place of an argument."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def is_pipeline_file(name: str) -> bool:
    """Whether it is the path of a pipeline file: no task's and no pipeline's name ends so."""
    return name.lower().endswith(PIPELINE_SUFFIXES)


def pipeline_or_name(name: str, versions: Versions) -> PipelineSpec | str:
    """The pipeline of a file, or a name as it is.

    Arguments:
        name: as it was typed.
        versions: the published tasks; see ``load_pipeline``.

    Raises:
        NotFoundError, InvalidDocumentError: the file is not there, or no pipeline.
    """
    return load_pipeline(Path(name), versions) if is_pipeline_file(name) else name

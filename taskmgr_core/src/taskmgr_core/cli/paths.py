"""What a path on the command line stands for."""

from __future__ import annotations

import shlex
from pathlib import Path

from taskmgr_core.specs import PipelineSpec
from taskmgr_core.stores.metadata import MetadataStore

PIPELINE_SUFFIXES = (".json", ".yaml", ".yml")


def quoted(path: Path) -> str:
    """A path as it is typed into a shell, at the place of an argument."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def is_pipeline_file(name: str) -> bool:
    """Whether it is the path of a pipeline file: no task's and no pipeline's name ends so."""
    return name.lower().endswith(PIPELINE_SUFFIXES)


def pipeline_or_name(name: str, metadata: MetadataStore) -> PipelineSpec | str:
    """The pipeline of a file, or a name as it is.

    Arguments:
        name: as it was typed.
        metadata: has the published tasks and pipelines; see ``load_pipeline``.

    Raises:
        NotFoundError, InvalidDocumentError: the file is not there, or no pipeline.
    """
    if not is_pipeline_file(name):
        return name
    # The YAML parser is slow to import, and most runs are of what is published.
    from taskmgr_core.pipelines import load_pipeline

    return load_pipeline(Path(name), metadata.version, metadata.pipeline)

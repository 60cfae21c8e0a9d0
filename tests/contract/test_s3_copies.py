"""Copies of what is in S3: weights fetched once for a machine, removed, and fetched again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from children import Child
from implementations import Place

from servers import Share
from taskmgr_core.models import ModelFiles
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.collecting import collect_copies
from taskmgr_core.stores.s3 import S3Artifacts, S3Location

WEIGHTS = os.urandom(3_000_000)


@pytest.fixture
def stored(s3_server: Share, tmp_path: Path) -> StoredFile:
    """Weights that another machine has published."""
    artifacts = S3Artifacts(S3Location.from_url(s3_server.url), tmp_path / "another")
    artifacts.initialize()
    return artifacts.put_bytes(WEIGHTS, "weights.bin")


@pytest.fixture
def place(s3_server: Share, tmp_path: Path) -> Place:
    """The store as processes of this machine open it."""
    return Place("s3", f"{s3_server.url} {tmp_path / 'node'}")


def copies(place: Place) -> ModelFiles:
    """The weights of this machine."""
    return ModelFiles(Path(place.where.partition(" ")[2]) / "models", place.artifacts())


def age(models: ModelFiles, stored: StoredFile) -> None:
    """Have weights be unused for a day."""
    then = time.time() - 86_400
    os.utime(models.artifacts.files.path(stored.digest), (then, then))


def test_weights_are_fetched_once_for_a_machine(
    place: Place, stored: StoredFile, start_child: Callable[..., Child]
) -> None:
    """Of processes that need them at the same moment one fetches; all have the same file."""
    children = [
        start_child("place_model", place, stored.name, stored.digest, str(stored.size))
        for _ in range(5)
    ]
    for child in children:
        child.expect("ready")
    for child in children:
        child.tell("go")
    said = [child.rest() for child in children]
    assert sum(lines.count("fetched") for lines in said) == 1
    (path,) = {lines[-1] for lines in said}
    assert Path(path).read_bytes() == WEIGHTS


def test_weights_are_removed_with_their_copy_and_fetched_again(
    place: Place, stored: StoredFile
) -> None:
    """What a runner has stays; let go of and old, it goes with all its names, and comes back."""
    models = copies(place)
    with models.hold([stored]):
        path = Path(models.paths([stored])["weights.bin"])
        age(models, stored)
        assert models.gc(0) == ()
        assert [each.in_use for each in models.copies()] == [True]
    assert models.gc(0) == (), "used a moment ago"
    age(models, stored)
    assert collect_copies(models.artifacts, 0) == (), "the weights are the models' own"
    (removed,) = models.gc(0)
    assert (removed.names, removed.room) == (("weights.bin",), len(WEIGHTS))
    assert not path.exists()
    assert models.artifacts.files.listing() == []
    assert Path(models.paths([stored])["weights.bin"]).read_bytes() == WEIGHTS


def test_copy_that_was_removed_is_fetched_again(place: Place, stored: StoredFile) -> None:
    """The truth is in S3: a running process that asks for a removed copy gets it."""
    artifacts = place.artifacts()
    assert artifacts.read(stored.digest) == WEIGHTS
    then = time.time() - 86_400
    os.utime(artifacts.files.path(stored.digest), (then, then))
    assert len(collect_copies(artifacts, 0)) == 1
    assert artifacts.read(stored.digest) == WEIGHTS

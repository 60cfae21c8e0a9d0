"""Results of steps, taken again where the same was asked of the same version before."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.specs import (
    REFRESH,
    CacheEntry,
    Claim,
    Edge,
    FieldValue,
    TaskVersion,
    input_port,
    output_port,
)
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.cache import expiry_of
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import JSON_MEDIA_TYPE

FILE = "File"

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class Made:
    """The outputs of a step, computed or taken.

    Attributes:
        outputs: the values of its output ports.
        seconds: stage -> seconds.
        cached_from: the run and step that computed them; empty where it was this one.
        entry: what is to be kept of them; None for nothing.
        edges: beside those of every step.
    """

    outputs: tuple[FieldValue, ...]
    seconds: Mapping[str, float]
    cached_from: str = ""
    entry: CacheEntry | None = None
    edges: tuple[Edge, ...] = ()


@attrs.frozen
class StepCache:
    """Takes results of steps, and says what is kept of one.

    Attributes:
        metadata: where they are recorded.
        artifacts: where their files are.
        keep: seconds that one is kept after it was last taken; 0 for ever.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    keep: float = 0.0

    def taken(self, key: str, claim: Claim) -> Made | None:
        """What was made of the same before; None where it is to be computed.

        An entry that cannot be read, or whose files are gone, is none: it is removed.

        Arguments:
            key: see ``key_of``; empty where nothing is cached.
            claim: the attempt that wants it.

        Raises:
            StoreError, ArtifactError: a store does not answer.
        """
        step = claim.graph_step
        if not key or step.cache == REFRESH:
            return None
        started = time.perf_counter()
        try:
            entry = self.metadata.cache.take(key, time.time(), self.keep)
        except DamagedRecordError as error:
            _LOGGER.warning("%s; it is computed anew", error)
            self.metadata.cache.drop(key)
            return None
        if entry is None:
            return None
        files = dict.fromkeys(digest for each in entry.outputs for digest in each.artifacts)
        if not all(map(self.artifacts.exists, files)):
            _LOGGER.info("what %s made is not stored any more, it is computed anew", entry.source)
            self.metadata.cache.drop(key)
            return None
        outputs = tuple(
            attrs.evolve(each, port=output_port(step.id, each.port), producer=step.id)
            for each in entry.outputs
        )
        return Made(outputs, {"cache": time.perf_counter() - started}, entry.source)

    def kept(
        self,
        key: str,
        claim: Claim,
        made: Made,
    ) -> Made:
        """What was computed, with what is to be kept of it.

        Arguments:
            key: as for ``taken``.
            claim: the attempt that computed it.
            made: what it has computed.
        """
        if not key:
            return made
        step = claim.graph_step
        prefix = output_port(step.id, "")
        entry = CacheEntry(
            key=key,
            task=step.task,
            version=step.version,
            source=f"{claim.step.run}/{claim.step.id}",
            outputs=tuple(
                attrs.evolve(each, port=each.port.removeprefix(prefix), producer="")
                for each in made.outputs
            ),
            seconds=sum(made.seconds.values()),
            expires_at=expiry_of(time.time(), self.keep),
        )
        return attrs.evolve(made, entry=entry)


def key_of(claim: Claim, version: TaskVersion, inputs: tuple[FieldValue, ...]) -> str:
    """What the outputs of a step follow from; empty where they are not cached.

    The code (wheel), what it is installed with (lock) and in (Python), its weights, and
    the values of its inputs: by digest, but for the names.

    Arguments:
        claim: the attempt.
        version: what it runs.
        inputs: the values of its input ports.
    """
    step = claim.graph_step
    if not step.cache:
        return ""
    prefix = input_port(step.id, "")
    release = version.release
    parts = {
        "task": version.name,
        "wheel": release.wheel.digest,
        "lock": release.lock.digest,
        "python": release.python,
        "models": sorted(each.digest for each in version.task.models),
        "inputs": {each.port.removeprefix(prefix): _content_of(each) for each in inputs},
    }
    return documents.digest_of(documents.canonical(parts)).removeprefix("sha256:")


def _content_of(value: FieldValue) -> str:
    """All that a task is given of a value: of a file its name and kind, too."""
    document = value.document
    if not isinstance(document, Mapping) or "$artifact" not in document:
        return value.digest
    aside = document.get("media_type") == JSON_MEDIA_TYPE and value.type != FILE
    return value.digest if aside else documents.digest_of(documents.canonical(document))

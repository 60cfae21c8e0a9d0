"""Tasks, their versions and the releases that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

LOAD_TIMEOUT = 900.0


@attrs.frozen
class FieldSpec:
    """An input or output of a task.

    Attributes:
        name: the field's name.
        schema: the JSON Schema of its values.
        required: whether an input must be given.
        default: the value of an input that is not given.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool = True
    default: Any = None


@attrs.frozen
class ModelSpec:
    """Declared weights; see ``taskmgr_plugins.tasks.Model``."""

    name: str
    sha256: str
    licence: str
    source: str
    version: str = ""

    @property
    def digest(self) -> str:
        """What they are stored under."""
        return f"sha256:{self.sha256.lower()}"


@attrs.frozen
class TaskSpec:
    """What a task declares; see ``taskmgr_plugins.tasks.Options``.

    Attributes:
        timeout: seconds for one attempt; loading is not counted.
        priority: 0 to 9, higher first.
        memory_mb: megabytes of resident memory for one attempt.
        retries: further attempts after one that failed.
        resources: units that a worker has to have free.
        network: whether it may use the network.
        max_batch_size: how many attempts its runner takes at once, at most.
        max_batch_wait_ms: milliseconds for which an attempt waits for others to join it.
        streams: whether it yields the entries of its only output, a list, one by one.
        cache: ``by-inputs`` where what equal inputs gave may be taken again; empty for never.
        max_concurrent: how many of its steps run at once, on all workers; 0 for any number.
        rate: how many of its steps begin in a time, as ``10/s``; empty for any number.
        load_timeout: seconds in which a process has to load it.
    """

    name: str
    inputs: tuple[FieldSpec, ...]
    outputs: tuple[FieldSpec, ...]
    description: str = ""
    queue: str = "default"
    timeout: float = 60.0
    priority: int = 5
    memory_mb: int = 2048
    retries: int = 0
    models: tuple[ModelSpec, ...] = ()
    resources: Mapping[str, int] = attrs.field(factory=dict)
    network: bool = False
    max_batch_size: int = 1
    max_batch_wait_ms: float = 5.0
    streams: bool = False
    cache: str = ""
    max_concurrent: int = 0
    rate: str = ""
    load_timeout: float = LOAD_TIMEOUT

    def input(self, name: str) -> FieldSpec | None:
        """The input of that name, if there is one."""
        return next((each for each in self.inputs if each.name == name), None)

    def output(self, name: str) -> FieldSpec | None:
        """The output of that name, if there is one."""
        return next((each for each in self.outputs if each.name == name), None)


@attrs.frozen
class StoredFile:
    """A file in the artifact store: its name for users, its digest and size in bytes."""

    name: str
    digest: str
    size: int


@attrs.frozen
class Release:
    """One version of a plugin, as published: all that an environment is built from.

    Attributes:
        distribution: the plugin's distribution name, normalised.
        version: its PEP 440 version.
        wheel: the plugin's wheel.
        lock: pinned, hashed requirements of everything else.
        sdk: the wheel of ``taskmgr-plugins``.
        models: the weights of its tasks.
        python: the Python it was tried out with and runs in, as ``3.11``; its lock is for
            every Python that the plugin allows.
        platform: the platform it was published on, as ``linux-x86_64``.
        published_at: UTC, ISO 8601.
        platforms: those that it may run on, as ``linux-x86_64``; empty for any.
        vendored: wheels of what the lock names, for machines that cannot ask an index.
    """

    distribution: str
    version: str
    wheel: StoredFile
    lock: StoredFile
    sdk: StoredFile
    models: tuple[StoredFile, ...]
    python: str
    platform: str
    published_at: str
    platforms: tuple[str, ...] = ()
    vendored: tuple[StoredFile, ...] = ()


@attrs.frozen
class Signature:
    """Who vouches for a task version; see ``signing``.

    Attributes:
        key: the id of the key, 16 hexadecimal digits.
        value: the Ed25519 signature of the version's statement, in base64.
    """

    key: str
    value: str


@attrs.frozen
class TaskVersion:
    """One published version of a task.

    Attributes:
        signature: over all the rest of it; None where it was published without a key.
    """

    task: TaskSpec
    release: Release
    signature: Signature | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def version(self) -> str:
        """The version of the release that holds it."""
        return self.release.version

"""Task versions that a worker has looked up, kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.signing.verifying import Verifier
from taskmgr_core.specs import FieldSpec, FieldValue, TaskVersion
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import recorded

KEEP_SECONDS = 30.0


@attrs.frozen
class _Kept:
    version: TaskVersion
    until: float


@attrs.frozen
class KnownVersions:
    """Looks versions up, each seldom. Safe to use from many threads.

    Each is verified whenever it is looked up, before anything of it is installed: so is
    a key that was revoked meanwhile found out.

    A published version keeps its wheel and lock for ever, but may get another SDK or
    Python. So what was looked up is believed for a while only: then it costs one look-up, and
    none for each step.

    Attributes:
        metadata: where they are looked up.
        keep_seconds: how long one is believed.
        verifier: refuses versions that nobody vouches for; None where all are one's own.
        clock: monotonic seconds.
    """

    metadata: MetadataStore
    keep_seconds: float = KEEP_SECONDS
    clock: Callable[[], float] = time.monotonic
    verifier: Verifier | None = None
    _kept: dict[tuple[str, str], _Kept] = attrs.field(factory=dict, init=False, repr=False)
    _defaults: dict[tuple[str, str, str], FieldValue] = attrs.field(
        factory=dict, init=False, repr=False
    )

    def get(self, task: str, version: str) -> TaskVersion:
        """A version, as it is or was a moment ago.

        Raises:
            NotFoundError: it is not published.
            SignatureError: it is not signed as this machine requires.
        """
        kept = self._kept.get((task, version))
        return kept.version if kept and self.clock() < kept.until else self._look_up(task, version)

    def another(self, stale: TaskVersion) -> TaskVersion | None:
        """A version as it is now, when it is another than the one that did not serve.

        Raises:
            NotFoundError: it is not published any more.
            SignatureError: it is not signed as this machine requires.
        """
        found = self._look_up(stale.name, stale.version)
        return found if found != stale else None

    def default(self, version: TaskVersion, field: FieldSpec) -> FieldValue:
        """The value of an input that nobody gives, on no port yet; made once for all steps."""
        key = version.name, version.version, field.name
        found = self._defaults.get(key)
        if found is None:
            found = recorded(field.name, field.default, type_name(field.schema), "")
            self._defaults[key] = found
        return found

    def _look_up(self, task: str, version: str) -> TaskVersion:
        found = self.metadata.version(task, version)
        if self.verifier is not None:
            self.verifier.check(found, task, version)
        self._kept[task, version] = _Kept(found, self.clock() + self.keep_seconds)
        return found

"""Keeps what a machine can have again within the sizes that the settings say, and compiles it."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import attrs

from taskmgr_core.environments import Environments
from taskmgr_core.errors import TaskmgrError
from taskmgr_core.models import ModelFiles
from taskmgr_core.report.formats import size
from taskmgr_core.stores.collecting import SPARE_SECONDS, collect_copies

# A virtualenv that was used so lately is sooner needed again than its room.
ENVIRONMENT_SPARE_SECONDS = 600.0

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class Housekeeping:
    """Removes the least recently used virtualenvs, weights and copies of files, none in use.

    Attributes:
        environments: the virtualenvs of this machine.
        models: its weights.
        environments_bytes: what the virtualenvs may take; 0 for no limit.
        models_bytes: what the copies of weights may take; 0 for no limit.
        cache_bytes: what the copies of other files may take; 0 for no limit.
        environment_spare_seconds: a virtualenv that was used that recently stays.
        spare_seconds: a copy that was used that recently stays.
    """

    environments: Environments
    models: ModelFiles
    environments_bytes: int
    models_bytes: int
    cache_bytes: int
    environment_spare_seconds: float = ENVIRONMENT_SPARE_SECONDS
    spare_seconds: float = SPARE_SECONDS
    _compiled: set[Path] = attrs.field(factory=set, init=False, repr=False)

    def tidy(self) -> None:
        """Bring each down to its size, and compile what was installed; what fails is told."""
        for action in (self._environments, self._models, self._copies):
            try:
                action()
            except (TaskmgrError, OSError) as error:
                _LOGGER.warning("the disk cannot be tidied: %s", error)
        try:
            self._compiled.update(self.environments.compile(self._compiled))
        except (TaskmgrError, OSError, subprocess.SubprocessError) as error:
            _LOGGER.warning("the packages of virtualenvs cannot be compiled: %s", error)

    def _environments(self) -> None:
        if self.environments_bytes:
            spare = self.environment_spare_seconds
            for each in self.environments.gc(self.environments_bytes, spare_seconds=spare):
                what = f"{each.distribution} {each.version}"
                _LOGGER.info("removed the virtualenv of %s, %s", what, size(each.size_bytes))

    def _models(self) -> None:
        if self.models_bytes:
            for each in self.models.gc(self.models_bytes, spare_seconds=self.spare_seconds):
                _LOGGER.info("removed the weights %s, %s", ", ".join(each.names), size(each.room))

    def _copies(self) -> None:
        artifacts = self.models.artifacts
        if self.cache_bytes and artifacts.elsewhere:
            removed = collect_copies(artifacts, self.cache_bytes, spare_seconds=self.spare_seconds)
            if removed:
                total = size(sum(each.size for each in removed))
                _LOGGER.info("removed copies of %d files, %s", len(removed), total)

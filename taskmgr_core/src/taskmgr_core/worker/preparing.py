"""What a worker builds and fetches before its first claim: for the tasks that it was told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from queue import Empty, SimpleQueue

import attrs

from taskmgr_core.environments import Environments
from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.models import ModelFiles
from taskmgr_core.signing.verifying import Verifier
from taskmgr_core.specs import Release, TaskVersion
from taskmgr_core.stores.metadata import MetadataStore

# uv uses all cores for one virtualenv, but waits for the network, the disk and its locks.
BUILDERS = 4
LOOK_SECONDS = 0.1

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class Preparation:
    """Builds the virtualenvs of tasks and fetches their weights.

    Attributes:
        metadata: where the tasks are looked up.
        environments: builds the virtualenvs.
        models: fetches the weights.
        tasks: their names.
        verifier: refuses versions that nobody vouches for; None where all are one's own.
    """

    metadata: MetadataStore
    environments: Environments
    models: ModelFiles
    tasks: Collection[str]
    verifier: Verifier | None = None

    def run(self, cancelled: Callable[[], bool]) -> None:
        """Prepare all of them. What cannot be had is told, and left to the steps that need it.

        Arguments:
            cancelled: asked some times a second; true ends it.
        """
        started = time.perf_counter()
        releases = self._releases()
        named = ", ".join(f"{each.distribution} {each.version}" for each in releases)
        _LOGGER.info("preparing %s", named or "nothing: none of its tasks is published")
        waiting: SimpleQueue[Release] = SimpleQueue()
        for each in releases:
            waiting.put(each)
        # A download cannot be broken off: the end of the process must not wait for it.
        threads = [
            threading.Thread(
                target=self._prepare_all,
                args=(waiting, cancelled),
                name=f"preparing-{number}",
                daemon=True,
            )
            for number in range(min(BUILDERS, len(releases)))
        ]
        with self.environments.artifacts.files.using():
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and not cancelled():
                for thread in threads:
                    thread.join(LOOK_SECONDS / len(threads))
        if cancelled():
            _LOGGER.info("preparing was broken off")
        else:
            _LOGGER.info("prepared in %.3f s", time.perf_counter() - started)

    def _releases(self) -> list[Release]:
        """The releases that new runs of the tasks get, those that are being tried out included."""
        found: list[TaskVersion] = []
        for task in self.tasks:
            for share in (None, 0.0):
                try:
                    version = self.metadata.version(task, share=share)
                    if self.verifier is not None:
                        self.verifier.check(version, task, version.version)
                    found.append(version)
                except NotFoundError as error:
                    _LOGGER.debug("nothing to prepare for %s: %s", task, error)
                except TaskmgrError as error:
                    _LOGGER.warning("nothing is prepared for %s: %s", task, error)
        releases = [each.release for each in found]
        return list({(each.distribution, each.version): each for each in releases}.values())

    def _prepare_all(self, waiting: SimpleQueue[Release], cancelled: Callable[[], bool]) -> None:
        while not cancelled():
            try:
                release = waiting.get_nowait()
            except Empty:
                return
            what = f"{release.distribution} {release.version}"
            try:
                self._prepare(release, what, cancelled)
            except TaskmgrError as error:
                if not cancelled():
                    _LOGGER.warning(
                        "%s cannot be prepared, its steps will fail unless that is put right: %s",
                        what,
                        error,
                    )
            except Exception:
                _LOGGER.exception("preparing %s met a bug of taskmgr", what)

    def _prepare(self, release: Release, what: str, cancelled: Callable[[], bool]) -> None:
        started = time.perf_counter()
        self.environments.ensure(release, _LOGGER.info, cancelled)
        if release.models and not cancelled():
            self.models.paths(release.models)
        _LOGGER.info("%s is ready, %.3f s", what, time.perf_counter() - started)

"""The composition root: settings become objects here and nowhere else."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from taskmgr_core.client import Client
from taskmgr_core.coverage import Coverage
from taskmgr_core.errors import SettingsError, not_installed
from taskmgr_core.hooks import Choice, Hooks
from taskmgr_core.inputs import InputReader
from taskmgr_core.metering import Meter
from taskmgr_core.model_registry import ModelRegistry
from taskmgr_core.models import ModelFiles
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.queue.base import Feed, Queue
from taskmgr_core.queue.bell import Bell
from taskmgr_core.queue.embedded import EmbeddedQueue, TakingFeed
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.queue.units import Units
from taskmgr_core.settings import Settings, load, paths_of
from taskmgr_core.signing.keyring import Keyring
from taskmgr_core.signing.verifying import Verifier
from taskmgr_core.silos import broker_prefix, no_workspace
from taskmgr_core.slow_runs import SlowRuns
from taskmgr_core.spans import NoTracer, Tracer
from taskmgr_core.specs import PluginState
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE
from taskmgr_core.specs.resources import NO_RESOURCES, offer_from
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.telling import Teller

# What publishes, works or serves is slow to import: it is, where it is made. Most programs look,
# or submit a run.
if TYPE_CHECKING:
    from taskmgr_core.accounts.interface import RateLimiter
    from taskmgr_core.control import Control
    from taskmgr_core.environments import Environments
    from taskmgr_core.index.catalogue import Catalogue
    from taskmgr_core.publishing import Publisher
    from taskmgr_core.runners import Isolation, RunnerLauncher
    from taskmgr_core.uv import Uv
    from taskmgr_core.worker.configuration import WorkerConfiguration
    from taskmgr_core.worker.executor import Executor
    from taskmgr_core.worker.housekeeping import Housekeeping
    from taskmgr_core.worker.timing import Timing
    from taskmgr_core.worker.worker import WorkerProcess

# How often a worker looks whether its steps are to be cancelled or were taken from it: where
# it is told of a cancellation the look is only for when the word was lost.
EMBEDDED_HOLDS_SECONDS = 0.1
HOLDS_SECONDS = 2.0
MEGABYTE = 1_000_000
RATE_SECONDS = 60.0
LIMITER_SECONDS = 0.5  # a limit that cannot be asked is counted here


def environments_of(settings: Settings) -> Environments:
    """The virtualenvs of this machine, which need no database."""
    from taskmgr_core.environments import Environments
    from taskmgr_core.uv import Uv

    artifacts = DirectoryArtifacts(settings.home / "artifacts")
    return Environments(settings.home / "environments", artifacts, Uv.find(os.environ))


def keyring_of(settings: Settings) -> Keyring:
    """The keys that this machine signs with, trusts and has revoked; no store is needed."""
    if settings.keys_folder:
        return Keyring(Path(settings.keys_folder).expanduser().absolute())
    return Keyring(settings.home / "keys")


def verifier_of(settings: Settings) -> Verifier:
    """What verifies the signatures of task versions."""
    return Verifier(keyring_of(settings), settings.signatures)


def hooks_of(settings: Settings, metadata: MetadataStore) -> Hooks:
    """The hook plugins of this process, none of them imported yet."""
    own: dict[str, Callable[[], object]] = {
        "log": lambda: importlib.import_module("taskmgr_core.hooks.logging_plugin")
    }
    if settings.notifications.channels:
        own["notifications"] = partial(_notifier, settings)
    if settings.openlineage == "on":
        own["openlineage"] = partial(_lineage_teller, metadata)
    choice = Choice.of(settings.hooks)
    return Hooks(choice, settings.hook_seconds, settings.hook_queue, own)


def _notifier(settings: Settings) -> object:
    from taskmgr_core.notifications.plugin import Notifier

    return Notifier(settings.notifications, os.environ)


def _lineage_teller(metadata: MetadataStore) -> object:
    try:
        from taskmgr_core.lineage_events.events import namespace_of
        from taskmgr_core.lineage_events.plugin import LineageTeller
    except ModuleNotFoundError as error:
        raise not_installed("openlineage", "openlineage-python", error) from error
    return LineageTeller(metadata, namespace_of())


def tracer_of(settings: Settings, metadata: MetadataStore) -> Tracer:
    """What makes spans of runs.

    Raises:
        SettingsError: OpenTelemetry, or an exporter that is asked for, is not installed.
    """
    if settings.traces == "off":
        return NoTracer()
    try:
        from taskmgr_core.telemetry.providers import provider_of
        from taskmgr_core.telemetry.tracer import OpenTelemetryTracer
    except ModuleNotFoundError as error:
        raise not_installed("otel", "opentelemetry-sdk", error) from error
    provider, owned = provider_of(os.environ)
    return OpenTelemetryTracer(
        provider, lambda run: metadata.run(run).traceparent, os.environ, owned=owned
    )


def models_of(settings: Settings) -> ModelFiles:
    """The weights of this machine, which need no database."""
    return ModelFiles(settings.home / "models", artifacts_of(settings))


def connect(home: Path | None = None, workspace: str | None = None) -> Client:
    """A client with the settings of this process's environment.

    Arguments:
        home: overrides ``TASKMGR_HOME``.
        workspace: overrides ``TASKMGR_WORKSPACE``.

    Raises:
        SettingsError, StoreError: with what to do.
        NotFoundError: there is no such workspace.
    """
    return Platform(load(os.environ, Path.cwd(), home, workspace)).client()


class Platform:
    """Every object of one process on one set of settings, each made once.

    Arguments:
        settings: as loaded.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        home = settings.home
        self.metadata = metadata_of(settings)
        self.artifacts = artifacts_of(settings)
        _check_workspace(settings, self.metadata)
        # A file and a folder are made by whoever comes first; servers are prepared once.
        if not settings.metadata_url:
            self.metadata.initialize()
        if not settings.artifacts_url:
            self.artifacts.initialize()
        self.queue = queue_of(settings, self.metadata)
        self.validator = Validator()
        self.meter = Meter(self.metadata.counters)
        self.models = ModelFiles(home / "models", self.artifacts)
        self.verifier = verifier_of(settings)
        self.hooks = hooks_of(settings, self.metadata)
        slow_runs = SlowRuns(self.metadata, settings.notifications.slow_runs)
        self.teller = Teller(self.hooks, self.metadata, self.meter, slow_runs)
        self.tracer = tracer_of(settings, self.metadata)

    @cached_property
    def uv(self) -> Uv:
        """What builds, locks and installs; EnvironmentBuildError where it is not there."""
        from taskmgr_core.uv import Uv

        return Uv.find(os.environ)

    @cached_property
    def environments(self) -> Environments:
        """The virtualenvs of this machine; EnvironmentBuildError where uv is not there."""
        from taskmgr_core.environments import Environments

        folder = self.settings.home / "environments"
        return Environments(folder, self.artifacts, self.uv, on_built=self.meter.environment_built)

    def initialize(self) -> None:
        """Prepare the stores: indexes, the bucket. Safe to call again.

        Raises:
            StoreError, ArtifactError: a server cannot be reached, or refuses.
        """
        self.metadata.initialize()
        self.artifacts.initialize()

    def client(self, *, paths: bool = True) -> Client:
        """The client.

        Arguments:
            paths: whether inputs may name files of this machine.
        """
        return Client(
            metadata=self.metadata,
            artifacts=self.artifacts,
            queue=self.queue,
            reader=InputReader(
                self.artifacts, self.validator, self.settings.image_megapixels, Path.cwd(), paths
            ),
            make_publisher=self.publisher,
            models=ModelRegistry(self.metadata, self.artifacts, self.models),
            make_worker=lambda runs: self.worker(self.settings.slots_or_cores, (), runs),
            lost_after=self.settings.lost_after,
            teller=self.teller,
            overrides=self.settings.tasks,
            own_resources=offer_from(self.settings.resources),
            tracer=self.tracer,
            close_seconds=self.settings.hook_seconds,
        )

    def hook_states_of_workers(self) -> Mapping[str, tuple[PluginState, ...]]:
        """How the hook plugins of the workers are that are alive, by worker."""
        since = time.time() - self.settings.lost_after
        return {each.id: each.hooks for each in self.metadata.workers() if each.heartbeat >= since}

    def control(self) -> Control:
        """What tells workers."""
        from taskmgr_core.control import Control

        return Control(self.metadata, self.queue, self.settings.lost_after)

    def index(self) -> Catalogue:
        """What the package index serves."""
        from taskmgr_core.index.catalogue import Catalogue

        return Catalogue(self.metadata, self.artifacts)

    def publisher(self) -> Publisher:
        """What publishes plugins."""
        from taskmgr_core.publishing import Publisher
        from taskmgr_core.signing.signers import Signing

        return Publisher(
            metadata=self.metadata,
            artifacts=self.artifacts,
            environments=self.environments,
            launcher=self.launcher(slots=1),
            uv=self.uv,
            folder=self.settings.home / "publishing",
            signing=Signing(
                self.verifier.keyring, self.settings.signatures, self.settings.signing_key
            ),
            hooks=self.hooks,
        )

    def launcher(self, slots: int, resources: Mapping[str, int] = NO_RESOURCES) -> RunnerLauncher:
        """What starts runners, the cores divided by the slots where no setting says otherwise.

        Raises:
            SettingsError: more devices are offered than this process was given.
        """
        from taskmgr_core.runners import RunnerLauncher
        from taskmgr_core.runners.devices import Devices

        threads = self.settings.threads or max(1, (os.cpu_count() or 1) // slots)
        devices = Devices.of(resources, os.environ)
        return RunnerLauncher(
            self.settings.home.absolute() / "work",
            threads,
            self.settings.log_bytes,
            devices,
            self.isolation(),
        )

    def isolation(self) -> Isolation:
        """What runners are kept from."""
        from taskmgr_core.runners import Isolation

        settings = self.settings
        return Isolation(
            settings.isolation,
            settings.open_files,
            settings.file_mb,
            settings.processes,
            paths_of(settings.readable),
            paths_of(settings.writable),
        )

    def worker(
        self,
        slots: int | tuple[int, int],
        queues: Collection[str],
        runs: Callable[[], Collection[str]] | None = None,
        said: WorkerConfiguration | None = None,
        resources: Mapping[str, int] | None = None,
        log: Path | None = None,
    ) -> WorkerProcess:
        """A worker of this process, not yet started.

        Arguments:
            slots: how many steps at once; or the fewest and the most.
            queues: which queues it serves; empty for all.
            runs: asked for the runs that it serves; None for all.
            said: its name, its tasks and their timeouts.
            resources: the units that it offers; None for those of the settings.
            log: the file that it logs to, for who looks at it.

        Raises:
            SettingsError: more devices are offered than this process was given, or runners
                cannot be isolated here as is required.
        """
        from taskmgr_core.worker.condition import Condition, as_it_is
        from taskmgr_core.worker.configuration import WorkerConfiguration
        from taskmgr_core.worker.worker import WorkerProcess

        if runs is None and (fault := self.isolation().fault()):
            raise SettingsError(fault)
        said = said or WorkerConfiguration()
        fewest, most = (slots, slots) if isinstance(slots, int) else slots
        units = Units(offer_from(self.settings.resources) if resources is None else resources)
        # Who works for their own runs alone is told why one cannot be run: it fails.
        coverage = None if runs is not None else self.coverage()
        return WorkerProcess(
            self.metadata,
            self.queue,
            self._feed(Scaling(fewest, most), queues, runs, said.active_tasks, units, coverage),
            self._executor(said, most, units),
            queues,
            self._timing(),
            self.teller,
            private=runs is not None,
            name=said.worker_id,
            tasks=said.active_tasks,
            coverage=coverage,
            prepare=self._preparation(said) if said.active_tasks else None,
            tidy=self.housekeeping().tidy if runs is None else None,
            tracer=self.tracer,
            described=Condition(self.environments, log).described if runs is None else as_it_is,
        )

    def _executor(self, said: WorkerConfiguration, slots: int, units: Units) -> Executor:
        from taskmgr_core.worker.executor import Executor
        from taskmgr_core.worker.pool import RunnerPool

        pool = RunnerPool(
            self.environments,
            self.models,
            self.launcher(slots, units.offered),
            self.settings.warm_runners,
        )
        return Executor(
            metadata=self.metadata,
            artifacts=self.artifacts,
            pool=pool,
            validator=self.validator,
            inline_bytes=self.settings.inline_bytes,
            retry_delay=self.settings.retry_delay,
            timeouts=said.timeouts,
            verifier=self.verifier,
            slots=slots,
            cache_seconds=self.settings.cache_days * 86_400,
        )

    def _timing(self) -> Timing:
        from taskmgr_core.worker.timing import Timing

        return Timing(
            self.settings.heartbeat,
            self.settings.lost_after,
            self.settings.lost_attempts,
            HOLDS_SECONDS if self.settings.broker_url else EMBEDDED_HOLDS_SECONDS,
            self.settings.slow_step,
        )

    def _preparation(self, said: WorkerConfiguration) -> Callable[[Callable[[], bool]], None]:
        from taskmgr_core.worker.preparing import Preparation

        return Preparation(
            self.metadata, self.environments, self.models, said.active_tasks, self.verifier
        ).run

    def housekeeping(self) -> Housekeeping:
        """What keeps this machine's virtualenvs, weights and copies within their sizes."""
        from taskmgr_core.worker.housekeeping import Housekeeping

        return Housekeeping(
            self.environments,
            self.models,
            self.settings.environments_mb * MEGABYTE,
            self.settings.models_mb * MEGABYTE,
            self.settings.cache_mb * MEGABYTE,
        )

    def coverage(self) -> Coverage:
        """Which published versions this machine can run."""
        return Coverage(self.metadata, self.environments.interpreter)

    def _feed(
        self,
        scaling: Scaling,
        queues: Collection[str],
        runs: Callable[[], Collection[str]] | None,
        tasks: Collection[str],
        units: Units,
        coverage: Coverage | None,
    ) -> Feed:
        """Celery's messages for a worker of a team; a worker of one process takes by itself."""
        if runs is not None or not self.settings.broker_url:
            return TakingFeed(
                self.queue, self.metadata, scaling, queues, runs, tasks, units, coverage
            )
        from taskmgr_core.queue.celery.feed import CeleryFeed
        from taskmgr_core.queue.celery.queue import CeleryQueue

        if not isinstance(self.queue, CeleryQueue):
            raise TypeError(f"the queue is a {type(self.queue).__name__}")
        return CeleryFeed(self.queue, self.metadata, scaling, queues, tasks, units, coverage)


# The clients of the servers are slow to import, and a laptop needs none of them.


def metadata_of(settings: Settings) -> MetadataStore:
    """The metadata store, not yet connected."""
    if not settings.metadata_url:
        return SqliteMetadata(settings.database)
    from taskmgr_core.stores.mongodb import MongoMetadata

    return MongoMetadata(settings.metadata_url, settings.history_days * 86_400)


def artifacts_of(settings: Settings, patience: float | None = None) -> ArtifactStore:
    """The artifact store, not yet connected.

    Arguments:
        settings: as loaded.
        patience: how long to go on while a server is away, in seconds; None for its default.
    """
    folder = settings.home / "artifacts"
    if not settings.artifacts_url:
        return DirectoryArtifacts(folder)
    from taskmgr_core.stores.s3 import S3Artifacts, S3Location

    location = S3Location.from_url(settings.artifacts_url)
    return S3Artifacts(location, folder, **({} if patience is None else {"patience": patience}))


def queue_of(settings: Settings, metadata: MetadataStore) -> Queue:
    """The queue, not yet connected."""
    if not settings.broker_url:
        return EmbeddedQueue(metadata, Bell(settings.home / "bells"))
    from taskmgr_core.queue.celery.queue import CeleryQueue

    return CeleryQueue(settings.broker_url, metadata, broker_prefix(settings.workspace))


def limiter_of(settings: Settings) -> RateLimiter | None:
    """How often a principal may ask; counted in Redis where there is one. None for no limit."""
    from taskmgr_core.accounts.limiting import Limit, LocalLimiter

    if not settings.rate_limit:
        return None
    limit = Limit(settings.rate_limit, RATE_SECONDS)
    if not settings.broker_url:
        return LocalLimiter(limit)
    from redis import Redis

    from taskmgr_core.accounts.redis_limiter import RedisLimiter
    from taskmgr_core.queue.celery.address import check_address, verified

    check_address(settings.broker_url)
    url = verified(settings.broker_url)
    client = Redis.from_url(
        url, socket_connect_timeout=LIMITER_SECONDS, socket_timeout=LIMITER_SECONDS
    )
    return RedisLimiter(client, limit)


def _check_workspace(settings: Settings, metadata: MetadataStore) -> None:
    """Refuse a workspace that nobody has made: a misspelt name would be an empty platform."""
    name = settings.workspace
    if name == DEFAULT_WORKSPACE:
        return
    # To look into a file that is not there would make it.
    made = metadata.accounts.workspace(name) if settings.is_begun else None
    if made is None or made.removing:
        metadata.close()
        raise no_workspace(name)

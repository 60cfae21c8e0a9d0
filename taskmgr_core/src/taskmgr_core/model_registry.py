"""The weights of all published tasks: what they are, who uses them, which runs did.

A task declares its weights by digest, a step records its exact task version, and a version
never changes. So which run used which weights needs no record of its own, and costs a step
nothing: it is found through the index of the versions that the steps run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

import attrs

from taskmgr_core.errors import NotFoundError, nearest
from taskmgr_core.models import ModelCopy, ModelFiles
from taskmgr_core.specs import Edge, FieldValue, ModelSpec, RunDetail, RunSummary, Step, TaskVersion
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore, Role

USES_PAGE = 10
MODEL_TYPE = "Model"


@attrs.frozen
class Model:
    """Weights that some versions of tasks use: the same bytes are one, whatever they are called.

    Attributes:
        digest: of the file.
        size: in bytes; None where no release has it stored.
        specs: what their authors declare, each different declaration once.
        versions: the versions of tasks that use it.
    """

    digest: str
    size: int | None
    specs: tuple[ModelSpec, ...]
    versions: tuple[TaskVersion, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called."""
        return tuple(dict.fromkeys(each.name for each in self.specs))


@attrs.frozen
class ModelUse:
    """A run that used weights.

    Attributes:
        run: the run.
        steps: its steps of a version that uses them, as far as they began.
    """

    run: RunSummary
    steps: tuple[Step, ...]


@attrs.frozen
class ModelUses:
    """Some of the runs that used weights, the newest first.

    Attributes:
        uses: one for each run.
        next: the id of the run before which the next page begins; empty on the last.
    """

    uses: tuple[ModelUse, ...]
    next: str


@attrs.frozen
class ModelRegistry:
    """Looks up weights.

    Attributes:
        metadata: where versions and runs are.
        artifacts: where the bytes are.
        files: those of this machine.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    files: ModelFiles

    def models(self) -> list[Model]:
        """Every model, by name."""
        return sorted(_models(self.metadata.all_versions()), key=lambda each: each.names)

    def named(self, name_or_digest: str) -> list[Model]:
        """The models of that name, or the one of that digest or beginning of it.

        Raises:
            NotFoundError: there is none, with the nearest name; or there are several digests.
        """
        known = self.models()
        found = [each for each in known if name_or_digest in each.names]
        if found:
            return found
        beginning = "sha256:" + name_or_digest.lower().removeprefix("sha256:")
        found = [each for each in known if each.digest.startswith(beginning)]
        if len(found) > 1:
            raise NotFoundError(
                f"several models have a digest that begins {name_or_digest!r}: "
                f"{', '.join(each.digest for each in found)}; give more of it"
            )
        if not found:
            names = [name for each in known for name in each.names]
            raise NotFoundError(f"no model {name_or_digest!r}; {nearest(name_or_digest, names)}")
        return found

    def copies(self) -> dict[str, ModelCopy | None]:
        """Digest -> how it lies on this machine; None where no runner has had it here yet."""
        here: dict[str, ModelCopy | None] = {
            each.digest: None for each in self.artifacts.files.listing()
        }
        return here | {each.digest: each for each in self.files.copies()}

    def uses(self, model: Model, before: str | None = None, limit: int = USES_PAGE) -> ModelUses:
        """The runs that used a model, newest first.

        Arguments:
            model: the model.
            before: the ``next`` of the page before.
            limit: how many runs to look at; in some no step may have begun.
        """
        using = {(each.name, each.version) for each in model.versions}
        runs = self.metadata.runs_using(using, before, older=True, limit=limit)
        found = []
        for run in runs:
            steps = tuple(
                each
                for each in self.metadata.steps(run)
                if (each.task, each.version) in using and each.attempt
            )
            if steps:
                found.append(ModelUse(self.metadata.summary(run), steps))
        return ModelUses(tuple(found), runs[-1] if len(runs) == limit else "")

    def faults(self, model: Model) -> list[str]:
        """What is wrong with a model in the store and on this machine; every byte is read."""
        return [*self.artifacts.faults(model.digest), *self.files.faults(model.digest)]

    def lineage(self) -> ModelLineage:
        """The records of lineage, with the weights in them as they are published now."""
        return ModelLineage(self.metadata, tuple(self.metadata.all_versions()))


@attrs.frozen(slots=False)
class ModelLineage:
    """What is recorded of runs, with weights among it: as files that were given to the steps.

    So a lineage leads from weights to what was made with them, and from a result to its
    weights; and when a run made a file that was published as weights, from that run on.

    Attributes:
        metadata: what is recorded.
        versions: every version of every task.
    """

    metadata: MetadataStore
    versions: tuple[TaskVersion, ...]
    _kept: dict[str, tuple[list[FieldValue], list[Edge]]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    @cached_property
    def _by_digest(self) -> Mapping[str, frozenset[tuple[str, str]]]:
        return {
            each.digest: frozenset((use.name, use.version) for use in each.versions)
            for each in _models(self.versions)
        }

    @cached_property
    def _by_version(self) -> Mapping[tuple[str, str], TaskVersion]:
        return {_key(each): each for each in self.versions if each.task.models}

    def values(self, run_id: str) -> list[FieldValue]:
        """The recorded values of a run, and the weights of the steps that began."""
        return list(self._completed(run_id)[0])

    def edges(self, run_id: str) -> list[Edge]:
        """The lineage edges of a run, and from weights to what was made with them."""
        return [*self.metadata.edges(run_id), *self._completed(run_id)[1]]

    def completed(self, detail: RunDetail) -> RunDetail:
        """Everything of a run, with its weights among its values and edges."""
        values, edges = self._weights(detail.steps, detail.values)
        return attrs.evolve(detail, values=(*detail.values, *values), edges=(*detail.edges, *edges))

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """For each digest the next run in which it has one of the roles, or is weights."""
        found = self.metadata.next_runs(digests, roles, beyond, older=older)
        if "given file" in roles:
            for digest in digests:
                using = self._by_digest.get(digest, ())
                runs = self.metadata.runs_using(using, beyond, older=older, limit=1)
                if runs:
                    nearer = max if older else min
                    found[digest] = nearer(found.get(digest, runs[0]), runs[0])
        return found

    def digest(self, beginning: str) -> str:
        """The digest of a recorded value or file, or of weights, that begins so.

        Raises:
            NotFoundError: there is none, or there are several.
        """
        found = {each for each in self._by_digest if each.startswith(beginning)}
        try:
            found.add(self.metadata.digest(beginning))
        except NotFoundError:
            if not found:
                raise
        if len(found) > 1:
            raise NotFoundError(f"several digests begin with {beginning!r}; give more of it")
        return found.pop()

    def _completed(self, run_id: str) -> tuple[list[FieldValue], list[Edge]]:
        """The values of a run with its weights, and the edges from these; kept for the next ask."""
        if run_id not in self._kept:
            recorded = self.metadata.values(run_id)
            steps = self.metadata.steps(run_id) if self._by_version else ()
            values, edges = self._weights(steps, recorded)
            self._kept.clear()
            self._kept[run_id] = ([*recorded, *values], edges)
        return self._kept[run_id]

    def _weights(
        self, steps: Iterable[Step], recorded: Iterable[FieldValue]
    ) -> tuple[list[FieldValue], list[Edge]]:
        """The weights of the steps that began, as values, and what was made with them."""
        made: dict[str, list[str]] = {}
        for each in recorded:
            made.setdefault(each.producer, []).append(each.port)
        values, edges = [], []
        for step in steps:
            version = self._by_version.get((step.task, step.version))
            for spec in version.task.models if version is not None and step.attempt else ():
                weights = _value(step, spec, version)
                values.append(weights)
                edges += [Edge(weights.port, port) for port in made.get(step.id, ())]
        return values, edges


def _value(step: Step, spec: ModelSpec, version: TaskVersion | None) -> FieldValue:
    """Weights as a file that was given to a step."""
    stored = version.release.models if version is not None else ()
    return FieldValue(
        port=f"model_{step.id}_{spec.name}",
        digest=spec.digest,
        size=next((each.size for each in stored if each.digest == spec.digest), 0),
        type=MODEL_TYPE,
        producer="",
        document=None,
        artifacts=(spec.digest,),
    )


def _models(versions: Collection[TaskVersion]) -> list[Model]:
    uses: dict[str, list[tuple[TaskVersion, ModelSpec]]] = {}
    sizes: dict[str, int] = {}
    for version in versions:
        for spec in version.task.models:
            uses.setdefault(spec.digest, []).append((version, spec))
        sizes.update({each.digest: each.size for each in version.release.models})
    return [
        Model(
            digest,
            sizes.get(digest),
            tuple(dict.fromkeys(spec for _, spec in found)),
            tuple(sorted({_key(each): each for each, _ in found}.values(), key=_order)),
        )
        for digest, found in uses.items()
    ]


def _key(version: TaskVersion) -> tuple[str, str]:
    return version.name, version.version


def _order(version: TaskVersion) -> tuple[str, str]:
    return version.name, version.release.published_at

"""The warm runners of the tasks, and the inputs that they are tried with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import InvalidValueError, RunnerError, TaskmgrError
from taskmgr_core.inputs import InputReader
from taskmgr_core.orchestrator.graph import compile_task
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.runners import Limits, Runner, call_frame
from taskmgr_core.specs import TaskSpec
from taskmgr_core.testing.contract.broken import ContractBrokenError
from taskmgr_core.testing.contract.contents import Content
from taskmgr_core.testing.contract.generating import Case, extremes, thinned, usual, wrongs
from taskmgr_core.testing.contract.names import ANSWERS, LOADS, SCHEMAS
from taskmgr_core.testing.contract.project import Claims
from taskmgr_core.testing.contract.stage import Once, Stage
from taskmgr_core.testing.contract.survivors import belonging, kill
from taskmgr_core.uv import never
from taskmgr_core.values import fetched, reference, references, take_files

Inputs = Mapping[str, Any]
MADE = "made from the schemas"

# The frames of a crash that are not the task's.
_OURS = re.compile(r"taskmgr_plugins/\w+\.py|<frozen runpy>|<no Python frame>")


@attrs.frozen
class Sample:
    """Inputs of a task.

    Attributes:
        name: what they are called in messages.
        inputs: the JSON of each field, files stored.
    """

    name: str
    inputs: Inputs


@attrs.frozen
class Answered:
    """A sample, and what the task answered to it."""

    sample: Sample
    outputs: Mapping[str, Any]


class Stand:
    """Where one task is tried.

    Arguments:
        stage: its plugin, installed.
        task: its name.
    """

    def __init__(self, stage: Stage, task: str) -> None:
        self.stage, self.task = stage, task
        self.validator = Validator()
        self._once = Once()
        self._warm: Runner | None = None

    @property
    def spec(self) -> TaskSpec:
        """What it declares."""
        return self.stage.tasks()[self.task]

    @property
    def claims(self) -> Claims:
        """What its author claims."""
        return self.stage.project.claims[self.task]

    def close(self) -> None:
        """End its runner."""
        if self._warm is not None:
            end(self._warm)
            self._warm = None

    # runners

    def load_seconds(self) -> float:
        """How long it took to be loaded, the import of the plugin included.

        Raises:
            ContractBrokenError: it cannot be loaded.
        """
        return self._once.get("load", self._first_load)

    def _first_load(self) -> float:
        self.close()
        self._warm, seconds = self.fresh()
        return seconds

    def fresh(self) -> tuple[Runner, float]:
        """A runner of its own with the task loaded, and the seconds that loading took.

        Raises:
            ContractBrokenError: it cannot be loaded.
        """
        runner = self.started()
        try:
            return runner, self.load(runner)
        except BaseException:
            end(runner)
            raise

    def started(self) -> Runner:
        """A runner of its own with nothing loaded.

        Raises:
            ContractBrokenError: it does not come up.
        """
        try:
            return self.stage.start(self.task)
        except RunnerError as error:
            raise _not_loaded(error) from error

    def load(self, runner: Runner) -> float:
        """Load the task in a runner; the seconds that it took.

        Raises:
            ContractBrokenError: it cannot be loaded.
        """
        frame = {"kind": "load", "task": self.task, "models": self.stage.model_paths(self.task)}
        try:
            limits = Limits.of_loading(self.spec.load_timeout, self.spec.memory_mb)
            answer = runner.request(frame, limits=limits)
        except RunnerError as error:
            raise _not_loaded(error) from error
        return float(answer["seconds"]["load"])

    def warm(self) -> Runner:
        """The runner that is kept, another one if it has died."""
        self.load_seconds()
        if self._warm is None or not self._warm.alive:
            self.close()
            self._warm, _ = self.fresh()
        return self._warm

    def call(
        self,
        runner: Runner,
        inputs: Inputs,
        cancelled: Callable[[], bool] = never,
        *,
        keep: bool = True,
    ) -> Mapping[str, Any]:
        """Call the task once, as a worker does.

        Arguments:
            runner: where.
            inputs: the JSON of each field.
            cancelled: asked a few times a second; true ends it.
            keep: whether the files that it gives are kept: of hundreds of calls they are many.

        Returns:
            Its outputs, files stored where they are kept.

        Raises:
            RunnerError: it failed; whether its runner lives can be asked of that.
        """
        artifacts, spec = self.stage.artifacts, self.spec
        paths = {
            digest: str(artifacts.local_path(digest))
            for each in references(inputs)
            if artifacts.exists(digest := str(each["$artifact"]))
        }
        models = self.stage.model_paths(self.task)
        frame = call_frame(self.task, models, inputs, runner.placed(paths))
        try:
            answer = runner.request(frame, limits=Limits(spec.timeout, spec.memory_mb, cancelled))
            if not keep:
                return {}
            written = take_files(answer["outputs"], runner.folder, artifacts, paths)
        finally:
            runner.empty_folder()
        return {name: fetched(each, artifacts) for name, each in written.items()}

    def again(
        self, runner: Runner, sample: Sample, contract: str, *, keep: bool = True
    ) -> Mapping[str, Any]:
        """Call the task with a sample that it has answered already.

        Arguments:
            runner: where.
            sample: the sample.
            contract: the one that is checked.
            keep: whether the files that it gives are kept.

        Raises:
            ContractBrokenError: this time it fails.
        """
        try:
            return self.call(runner, sample.inputs, keep=keep)
        except RunnerError as error:
            raise forgotten(contract, sample, error) from error

    # inputs

    def check_schemas(self) -> None:
        """See whether inputs can be made and outputs checked at all.

        Raises:
            ContractBrokenError: a schema is none.
        """
        self._once.get("schemas", self._checked_schemas)

    def _checked_schemas(self) -> None:
        fields = [("input", each) for each in self.spec.inputs]
        fields += [("output", each) for each in self.spec.outputs]
        faults = [
            str(problem)
            for kind, field in fields
            for problem in self.validator.check_schema(field.schema, f"{kind} {field.name}")
        ]
        if faults:
            raise ContractBrokenError(
                SCHEMAS,
                seen="\n".join(faults),
                allowed="each field has a JSON Schema of the 2020-12 draft",
                change="the keywords that are given as Annotated[..., {...}]",
            )

    def usual(self) -> Sample:
        """Inputs made from the schemas; they need not fit, nor be answered."""
        self.check_schemas()
        made = {
            each.name: self.stored(usual(each.schema)) if each.required else each.default
            for each in self.spec.inputs
        }
        return Sample(MADE, made)

    def samples(self) -> list[Sample]:
        """The author's samples; where there are none, one that is made from the schemas.

        Raises:
            ContractBrokenError: a sample cannot be read, or does not fit.
        """
        found = self._once.get("samples", lambda: list(self._own_samples()))
        return found or [self.usual()]

    def answered(self) -> list[Answered]:
        """Each sample with its answer.

        Raises:
            ContractBrokenError: a sample is answered with an error, or with what does not fit.
        """
        return self._once.get("answered", lambda: [self._answered(each) for each in self.samples()])

    def edges(self) -> list[Case]:
        """Inputs at the edges of what fits, each value the JSON of all fields."""
        found = [
            case
            for case in self._varied(lambda each: extremes(each.schema))
            if not self.faults(case.value)
        ]
        return thinned(found, self.claims.cases)

    def wrong(self) -> list[Case]:
        """Inputs that do not fit, or whose files are damaged."""
        base = self.samples()[0].inputs
        cases = [Case("no inputs at all", {})]
        for field in self.spec.inputs:
            without = {name: each for name, each in base.items() if name != field.name}
            cases.append(Case(f"without {field.name}", without))
        cases.append(Case("with one more input", {**base, "nobody_asked_for_it": 1}))
        cases += self._varied(lambda each: wrongs(each.schema))
        return thinned(cases, self.claims.cases)

    def faults(self, inputs: Inputs) -> list[str]:
        """Why these inputs do not fit; none when they do."""
        return [
            str(problem)
            for field in self.spec.inputs
            if field.name in inputs
            for problem in self.validator.validate(inputs[field.name], field.schema, field.name)
        ]

    def stored(self, value: Any) -> Any:
        """A made value with references in place of its files."""
        if isinstance(value, Content):
            stored = self.stage.artifacts.put_bytes(value.content, value.name)
            return reference(stored, value.media_type)
        if isinstance(value, Mapping):
            return {name: self.stored(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.stored(each) for each in value]
        return value

    def _varied(self, of: Callable[[Any], Iterator[Case]]) -> list[Case]:
        """One field after the other as it says, the rest as in the first sample."""
        base = self.samples()[0].inputs
        return [
            Case(f"{field.name}: {case.what}", {**base, field.name: self.stored(case.value)})
            for field in self.spec.inputs
            for case in of(field)
        ]

    def _own_samples(self) -> Iterator[Sample]:
        self.check_schemas()
        folder = self.stage.project.samples
        for path in [folder / f"{self.task}.json", *sorted((folder / self.task).glob("*.json"))]:
            if path.is_file():
                yield Sample(self.stage.project.shown(path), self._read(path))

    def _read(self, path: Path) -> Inputs:
        try:
            given = _object_in(path)
            megapixels = self.stage.platform.settings.image_megapixels
            reader = InputReader(
                self.stage.artifacts, self.validator, megapixels, path.absolute().parent
            )
            return reader.read(compile_task(self.stage.version(self.task)), given)
        except ContractBrokenError:
            raise
        except (OSError, ValueError, TaskmgrError) as error:
            raise ContractBrokenError(
                ANSWERS,
                seen=f"{self.stage.project.shown(path)}: {error}",
                allowed="a sample is a JSON object: input -> value; of a file its path, from the "
                "sample's folder",
                change="the sample",
            ) from error

    def _advice(self) -> str:
        """How to give a sample."""
        project = self.stage.project
        path = project.shown(project.samples / f"{self.task}.json")
        shape = json.dumps(dict.fromkeys((each.name for each in self.spec.inputs), "..."))
        return f"give inputs that the task answers in {path}, as {shape}; or change the task"

    def _answered(self, sample: Sample) -> Answered:
        allowed = "a sample is answered with a result that fits the outputs' schemas"
        change = self._advice() if sample.name == MADE else "the task, or the sample"
        if faults := self.faults(sample.inputs):
            seen = f"the inputs {sample.name} do not fit:\n" + "\n".join(faults)
            raise ContractBrokenError(ANSWERS, seen=seen, allowed=allowed, change=change)
        try:
            outputs = self.call(self.warm(), sample.inputs)
        except RunnerError as error:
            seen = f"the inputs {sample.name} were answered with an error: {told(error)}"
            raise ContractBrokenError(ANSWERS, seen=seen, allowed=allowed, change=change) from error
        faults = [
            str(problem)
            for field in self.spec.outputs
            for problem in self.validator.validate(
                outputs.get(field.name), field.schema, field.name
            )
        ]
        if faults:
            seen = f"the inputs {sample.name} gave what does not fit:\n" + "\n".join(faults)
            raise ContractBrokenError(
                ANSWERS, seen=seen, allowed=allowed, change="the task, or its outputs' annotations"
            )
        return Answered(sample, outputs)


def end(runner: Runner) -> None:
    """End a runner, and what has hidden from it: whoever checks contracts leaves nothing behind."""
    pid, folder = runner.pid, runner.folder
    runner.close()
    kill(belonging(pid, folder))


def forgotten(contract: str, sample: Sample, error: RunnerError) -> ContractBrokenError:
    """A sample was answered, and is not any more."""
    return ContractBrokenError(
        contract,
        seen=f"the inputs {sample.name}, answered before, now gave an error: {told(error)}",
        allowed="a task answers what it has answered before",
        change="what makes a call depend on the ones before it",
    )


def _not_loaded(error: RunnerError) -> ContractBrokenError:
    return ContractBrokenError(
        LOADS,
        seen=told(error),
        allowed="its runner starts, and the task is loaded in it",
        change="load_model, __init__ or what the module does when it is imported",
    )


def _object_in(path: Path) -> dict[str, Any]:
    given = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(given, dict):
        raise InvalidValueError("it is no object of inputs")
    return given


def told(error: RunnerError) -> str:
    """An error of a task with the lines of its traceback that are its own."""
    lines = (line.strip() for line in error.traceback.splitlines())
    own = [line.rpartition("site-packages/")[2] for line in lines if not _OURS.search(line)]
    return "\n".join([f"{error} ({error.code})", *(f"  {line}" for line in own[-8:] if line)])

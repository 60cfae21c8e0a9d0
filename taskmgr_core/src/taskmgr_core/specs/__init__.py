"""The models of everything the platform stores and passes on: frozen, plain, JSON-able."""

from taskmgr_core.specs.pipelines import (
    Graph,
    GraphStep,
    PipelineSpec,
    ResultSpec,
    Source,
    StepSpec,
    input_port,
    output_port,
)
from taskmgr_core.specs.runs import (
    FINAL_RUN_STATUSES,
    FINAL_STEP_STATUSES,
    RUN_STATUSES,
    Failure,
    LogLine,
    Run,
    RunDetail,
    RunStatus,
    RunSummary,
    Step,
    StepStatus,
)
from taskmgr_core.specs.tasks import (
    FieldSpec,
    ModelSpec,
    Release,
    StoredFile,
    TaskSpec,
    TaskVersion,
)
from taskmgr_core.specs.values import Edge, FieldValue
from taskmgr_core.specs.work import Claim, Hold, Outcome, Worker

__all__ = [
    "FINAL_RUN_STATUSES",
    "FINAL_STEP_STATUSES",
    "RUN_STATUSES",
    "Claim",
    "Edge",
    "Failure",
    "FieldSpec",
    "FieldValue",
    "Graph",
    "GraphStep",
    "Hold",
    "LogLine",
    "ModelSpec",
    "Outcome",
    "PipelineSpec",
    "Release",
    "ResultSpec",
    "Run",
    "RunDetail",
    "RunStatus",
    "RunSummary",
    "Source",
    "Step",
    "StepSpec",
    "StepStatus",
    "StoredFile",
    "TaskSpec",
    "TaskVersion",
    "Worker",
    "input_port",
    "output_port",
]

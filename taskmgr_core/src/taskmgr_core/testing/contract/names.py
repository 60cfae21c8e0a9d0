"""The names of the contracts, in the order in which they are checked."""

from __future__ import annotations

BUILDS = "builds-and-installs"
LISTING = "listing-imports-nothing"
ANNOUNCES = "announces-its-tasks"
PLUGIN_CONTRACTS = (BUILDS, LISTING, ANNOUNCES)

SCHEMAS = "schemas-are-valid"
FITS = "fits-the-last-version"
MODELS = "models-match-their-digests"
LOADS = "loads-in-time"
ANSWERS = "answers-its-samples"
ROUND_TRIP = "values-round-trip"
SURVIVES = "survives-wrong-inputs"
SAME = "same-answer-twice"
MEMORY = "gives-memory-back"
CANCEL = "dies-on-cancel"
TASK_CONTRACTS = (
    *(SCHEMAS, FITS, MODELS, LOADS, ANSWERS),
    *(ROUND_TRIP, SURVIVES, SAME, MEMORY, CANCEL),
)

"""What is signed of a task version: everything that is recorded of it but the signature."""

from __future__ import annotations

import json

import attrs

from taskmgr_core import documents
from taskmgr_core.specs import TaskVersion

# Begins every statement, so that no signature serves for anything else.
DOMAIN = "taskmgr task version 1"


def statement(version: TaskVersion, key: str) -> bytes:
    """The bytes that a key signs: equal versions have equal ones, different ones never.

    Files are in it with name, size and digest; their content is checked against
    the digest by whoever reads it. A field that has its default is left out, so a
    later taskmgr, which knows more fields, makes the same statement of the version.

    Arguments:
        version: as it was published, or as it is recorded; its signature does not matter.
        key: the id of the key, which is stated as well.
    """
    unsigned = attrs.evolve(version, signature=None)
    # As a store gives it back: 30 is recorded, and 30.0 read.
    read = documents.loads(documents.dumps(unsigned), TaskVersion)
    # ASCII: a default may hold half a surrogate pair, which has no UTF-8.
    text = json.dumps(
        documents.unstructure(read), allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return f"{DOMAIN}\n{key}\n{text}".encode()

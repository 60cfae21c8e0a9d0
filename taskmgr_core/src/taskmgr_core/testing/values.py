"""Values of a test to what the platform takes, and what it recorded to values of a test."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import attrs

from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.values import fetched
from taskmgr_plugins.converter import NPY
from taskmgr_plugins.fields import File, Image, Points
from taskmgr_plugins.strict_types import plain


def given(value: Any) -> Any:
    """A value as the platform takes it: objects become mappings; files stay what they are."""
    if isinstance(value, Points):
        return [list(pair) for pair in value.coordinates]
    if attrs.has(type(value)):
        return {each.name: given(getattr(value, each.name)) for each in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {key: given(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [given(each) for each in value]
    return plain(value)


def native(document: Any, artifacts: ArtifactStore) -> Any:
    """What a document stands for: its files as ``File`` and ``Image``, its arrays as numpy's."""
    document = fetched(document, artifacts)
    if isinstance(document, list):
        return [native(each, artifacts) for each in document]
    if not isinstance(document, Mapping):
        return document
    if "$array" in document:
        return _inline(document["$array"])
    if "$artifact" in document:
        return _file(document, artifacts)
    return {key: native(each, artifacts) for key, each in document.items()}


def _inline(array: Mapping[str, Any]) -> Any:
    import numpy

    content = base64.b64decode(array["base64"])
    return numpy.frombuffer(content, array["dtype"]).reshape(array["shape"])


def _file(document: Mapping[str, Any], artifacts: ArtifactStore) -> Any:
    path, kind = artifacts.local_path(str(document["$artifact"])), str(document.get("media_type"))
    if kind == NPY:
        import numpy

        return numpy.load(path, allow_pickle=False)
    return (Image if kind.startswith("image/") else File)(path, document.get("name"))

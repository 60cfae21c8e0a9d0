"""What is asked of a plugin inside of its virtualenv, where this file is run by its path.

It imports the SDK and nothing else of taskmgr. A question comes as JSON on stdin; the answer
is the line of stdout that begins with ``MARK``, whatever the plugin prints besides.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARK = "taskmgr-contract: "
# What the SDK itself needs.
STANDARD = {
    *("taskmgr-plugins", "attrs", "cattrs", "pluggy"),
    *("typing_extensions", "typing-extensions"),
}


def main() -> None:
    """Answer the question."""
    question = json.load(sys.stdin)
    kind = question.pop("kind")
    answer = listing() if kind == "listing" else round_trip(**question)
    sys.stdout.write(f"\n{MARK}{json.dumps(answer)}\n")


def listing() -> dict[str, Any]:
    """The tasks that are listed, and what of the plugin and its dependencies was imported by it."""
    from taskmgr_plugins.host import installed_tasks

    tasks = [each.task for each in installed_tasks()]
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    owners = importlib.metadata.packages_distributions()
    heavy = sorted(
        name for name in loaded if not name.startswith("_") and set(owners.get(name, ())) - STANDARD
    )
    return {"tasks": tasks, "imported": heavy}


def round_trip(
    distribution: str, task: str, paths: Mapping[str, str], values: list[list[Any]]
) -> list[Any]:
    """What comes back of values, each given as kind, field and JSON; None for one that is refused.

    Files are told by their digests, arrays by their content.
    """
    from taskmgr_plugins.converter import ValueConverter
    from taskmgr_plugins.errors import InvalidValueError
    from taskmgr_plugins.host import load_plugin

    definition = load_plugin(distribution)[task]
    fields = {("input", each.name): each.annotation for each in definition.inputs}
    fields |= {("output", each.name): each.annotation for each in definition.outputs}
    found: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        converter = ValueConverter(Path(folder))
        converter.paths = paths
        for kind, name, document in values:
            annotation = fields[kind, name]
            try:
                value = converter.structure(document, annotation, name)
                again = converter.unstructure(value, annotation, name)
            except InvalidValueError:
                found.append(None)
                continue
            found.append([plain(document, paths, folder), plain(again, paths, folder)])
    return found


def plain(document: Any, paths: Mapping[str, str], folder: str) -> Any:
    """A document with what its files hold in their place."""
    if isinstance(document, list | tuple):
        return [plain(each, paths, folder) for each in document]
    if not isinstance(document, dict):
        return document
    if "$array" in document or document.get("media_type") == "application/x-npy":
        return {"array": _array(document, paths, folder)}
    if "$file" in document or "$artifact" in document:
        content = _path(document, paths, folder).read_bytes()
        if "$file" in document and document.get("media_type") == "application/json":
            return json.loads(content)
        return {"file": hashlib.sha256(content).hexdigest()}
    return {name: plain(each, paths, folder) for name, each in document.items()}


def _path(document: Mapping[str, Any], paths: Mapping[str, str], folder: str) -> Path:
    if "$file" in document:
        return Path(folder, document["$file"])
    return Path(paths[document["$artifact"]])


def _array(document: Mapping[str, Any], paths: Mapping[str, str], folder: str) -> list[Any]:
    import base64

    if "$array" in document:
        inline = document["$array"]
        content = base64.b64decode(inline["base64"])
        return [inline["dtype"], inline["shape"], hashlib.sha256(content).hexdigest()]
    import numpy

    read = numpy.load(_path(document, paths, folder), allow_pickle=False)
    content = numpy.ascontiguousarray(read).tobytes()
    return [read.dtype.str, list(read.shape), hashlib.sha256(content).hexdigest()]


if __name__ == "__main__":
    main()

"""The pages of the index: HTML as PEP 503 has it, JSON as PEP 691 and PEP 700 have it.

A wheel's METADATA lies beside it (PEP 658, PEP 714): resolving needs no wheel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from taskmgr_core.index.files import IndexFile, Project

HTML = "text/html"
HTML_V1 = "application/vnd.pypi.simple.v1+html"
JSON_V1 = "application/vnd.pypi.simple.v1+json"
# What a client may accept -> what it gets; the first where it accepts anything.
MEDIA_TYPES: Mapping[str, str] = {
    HTML: HTML,
    HTML_V1: HTML_V1,
    JSON_V1: JSON_V1,
    "application/vnd.pypi.simple.latest+html": HTML_V1,
    "application/vnd.pypi.simple.latest+json": JSON_V1,
}
API_VERSION = "1.1"

_TO_ROOT = "../../"


def root_page(names: Iterable[str], media_type: str) -> str:
    """The page of all projects.

    Arguments:
        names: of the projects, normalised.
        media_type: a value of ``MEDIA_TYPES``.
    """
    if media_type == JSON_V1:
        projects = [{"name": name} for name in names]
        return json.dumps({"meta": {"api-version": API_VERSION}, "projects": projects})
    return _html("Projects", [_link(f"{quote(name)}/", name) for name in names])


def project_page(project: Project, media_type: str) -> str:
    """The page of one project.

    Arguments:
        project: with its files.
        media_type: a value of ``MEDIA_TYPES``.
    """
    render: Callable[[Project], str] = _json_of if media_type == JSON_V1 else _html_of
    return render(project)


def file_path(file: IndexFile) -> str:
    """Where a wheel is, below the index's root; its METADATA has ``.metadata`` behind that."""
    return f"files/{_hexadecimal(file.wheel.digest)}/{quote(file.wheel.name)}"


def _html_of(project: Project) -> str:
    return _html(f"Links for {project.name}", [_html_file(each) for each in project.files])


def _html_file(file: IndexFile) -> str:
    said = f"sha256={_hexadecimal(file.metadata.digest)}"
    attributes = {"data-core-metadata": said, "data-dist-info-metadata": said}
    if file.metadata.requires_python:
        attributes["data-requires-python"] = file.metadata.requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    address = f"{_TO_ROOT}{file_path(file)}#sha256={_hexadecimal(file.wheel.digest)}"
    return _link(address, file.wheel.name, attributes)


def _html(title: str, links: list[str]) -> str:
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta name="pypi:repository-version" content="{API_VERSION}">',
        f"<title>{escape(title)}</title></head>",
        f"<body><h1>{escape(title)}</h1>",
        *(f"{each}<br>" for each in links),
        "</body></html>",
        "",
    ]
    return "\n".join(lines)


def _link(address: str, text: str, attributes: Mapping[str, str] | None = None) -> str:
    said = {"href": address, **(attributes or {})}
    written = " ".join(f'{name}="{escape(value)}"' for name, value in said.items())
    return f"<a {written}>{escape(text)}</a>"


def _json_of(project: Project) -> str:
    document = {
        "meta": {"api-version": API_VERSION},
        "name": project.name,
        "versions": list(dict.fromkeys(str(each.version) for each in project.files)),
        "files": [_json_file(each) for each in project.files],
    }
    return json.dumps(document)


def _json_file(file: IndexFile) -> dict[str, Any]:
    metadata = {"sha256": _hexadecimal(file.metadata.digest)}
    document: dict[str, Any] = {
        "filename": file.wheel.name,
        "url": f"{_TO_ROOT}{file_path(file)}",
        "hashes": {"sha256": _hexadecimal(file.wheel.digest)},
        "size": file.wheel.size,
        "core-metadata": metadata,
        "dist-info-metadata": metadata,
    }
    if file.metadata.requires_python:
        document["requires-python"] = file.metadata.requires_python
    if file.uploaded:
        document["upload-time"] = file.uploaded
    if file.yanked is not None:
        document["yanked"] = file.yanked or True
    return document


def _hexadecimal(digest: str) -> str:
    return digest.removeprefix("sha256:")

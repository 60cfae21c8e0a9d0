"""Pages as HTML: the templates of the web page over those of the report."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from taskmgr_core.report import formats, theme
from taskmgr_core.report.html import page_environment

_SCRIPT = "app.js"
_STYLE = "app.css"
TYPES = {_SCRIPT: "text/javascript; charset=utf-8", _STYLE: "text/css; charset=utf-8"}


@functools.cache
def asset(name: str) -> bytes:
    """The content of a file that pages link to.

    Raises:
        KeyError: there is no such file.
    """
    if name not in TYPES:
        raise KeyError(name)
    content = (resources.files("taskmgr_core.web") / "static" / name).read_bytes()
    if name != _STYLE:
        return content
    report = resources.files("taskmgr_core.report") / "templates" / "report.css"
    return b"\n".join([theme.variables(":root").encode(), report.read_bytes(), content])


def asset_address(name: str) -> str:
    """Where a page finds a file: another address when its content is another."""
    return f"/assets/{hashlib.sha256(asset(name)).hexdigest()[:12]}/{name}"


@functools.cache
def _environment() -> Environment:
    environment = page_environment(PackageLoader("taskmgr_core", "web/templates"))
    environment.globals.update(
        script=asset_address(_SCRIPT),
        style=asset_address(_STYLE),
        json_text=_json_text,
    )
    return environment


def render(template: str, **context: Any) -> str:
    """A page, or a part of one.

    Arguments:
        template: the name of its template, without the suffix.
        context: what it shows.
    """
    page = _environment().get_template(f"{template}.html.j2")
    return formats.printable(page.render(**context))


def _json_text(value: Any) -> Markup | str:
    """A value as JSON, short."""
    import json

    return formats.shortened(json.dumps(value, ensure_ascii=False), 120)

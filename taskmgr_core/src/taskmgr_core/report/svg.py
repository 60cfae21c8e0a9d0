"""SVG as text: elements with everything escaped."""

from __future__ import annotations

import unicodedata
from xml.sax.saxutils import escape, quoteattr

from taskmgr_core.report import theme
from taskmgr_core.report.formats import ELLIPSIS, printable, shortened

NAMESPACE = "http://www.w3.org/2000/svg"

_LONGEST_TITLE = 400


def element(name: str, /, *children: str, **attributes: object) -> str:
    """An element.

    Arguments:
        name: of the element.
        children: markup already, from here or from ``text``.
        attributes: by name, ``class_`` for ``class`` and ``stroke_width`` for
            ``stroke-width``; values are escaped, floats rounded, None left out.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text(content: str) -> str:
    """Any text as markup."""
    return escape(printable(content))


def title(content: str) -> str:
    """What is shown while the pointer rests on the element it stands in."""
    return element("title", text(shortened(content, _LONGEST_TITLE)))


def sign(status: str, x: float, y: float, side: float = 14) -> str:
    """The sign of a step's or run's status, its upper left corner at a place."""
    path = theme.STATUS_SIGNS.get(status, theme.STATUS_SIGNS["pending"])
    return element(
        "path",
        d=path,
        class_=f"sign {status}",
        transform=f"translate({x:g} {y:g}) scale({side / 16:g})",
    )


def document(content: str, name: str, css: str, standalone: bool, **attributes: object) -> str:
    """A whole picture.

    Arguments:
        content: the markup inside.
        name: what a screen reader calls it.
        css: for the classes used, every selector under ``.drawing``.
        standalone: for a file of its own, with the namespace and the colours;
            otherwise for a place inside an HTML page that has them.
        attributes: of the root.
    """
    colours = theme.variables(".drawing") if standalone else ""
    return element(
        "svg",
        element("style", colours + _STYLE + css),
        content,
        xmlns=NAMESPACE if standalone else None,
        class_="drawing",
        role="img",
        aria_label=shortened(name, _LONGEST_TITLE),
        **attributes,
    )


def fitted(content: str, width: float, advance: float) -> str:
    """The text cut to a width, with an ellipsis where it was longer.

    Arguments:
        content: any text.
        width: in pixels.
        advance: pixels for one narrow character; wide ones take two.
    """
    line = shortened(content, 500)
    room = int(width / advance)
    if columns(line) <= room:
        return line
    while line and columns(line) > room - 1:
        line = line[:-1]
    return line.rstrip() + ELLIPSIS


def columns(content: str) -> int:
    """How many columns of a terminal the text would take."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in content)


def _value(value: object) -> str:
    return (
        f"{value:.2f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else printable(str(value))
    )


_STYLE = (
    ".drawing{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:12px}"
    ".drawing text{fill:var(--ink)}"
    ".drawing .muted{fill:var(--muted)}"
    ".drawing .end{text-anchor:end}"
    ".drawing .sign{fill:var(--pending)}"
    + "".join(f".drawing .sign.{name}{{fill:var(--{name})}}" for name in theme.STATUS_SIGNS)
)

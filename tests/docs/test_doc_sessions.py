"""The tests of the documentation themselves: what is not so is found out."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_comparing import Printed, bound, match, match_beginning
from doc_pages import blocks
from doc_sessions import PageError, Session


def _same(expected: str, *out: str, err: tuple[str, ...] = ()) -> bool:
    return match(expected, Printed(out, err), {}) is not None


def test_same_words_are_the_same() -> None:
    """Gaps and empty lines do not count."""
    assert _same("a   b\n\nc\n", "a b", "c")


@pytest.mark.parametrize("out", [(), ("a",), ("a", "c"), ("a", "b", "c"), ("b", "a")])
def test_other_lines_are_found_out(out: tuple[str, ...]) -> None:
    """A line that is missing, different, more or elsewhere is a difference."""
    assert not _same("a\nb\n", *out)


def test_dots_stand_for_text_and_for_lines() -> None:
    """Inside a line for any text, on a line of their own for any lines."""
    assert _same("run ... ended\n", "run 7 ended")
    assert _same("first\n...\nlast\n", "first", "x", "y", "last")
    assert _same("first\n...\nlast\n", "first", "last")
    assert not _same("first\n...\nlast\n", "first", "x")


@pytest.mark.parametrize(
    ("page", "real"),
    [
        ("took 12 ms", "took 1.5 s"),
        ("4.03 kB", "17 MB"),
        ("2026-11-22 11:19:04 UTC", "2031-01-02 00:00:01 UTC"),
        ("parallel 0.99x", "parallel 1.40x"),
        ("Python 3.11, linux-x86_64", "Python 3.14, darwin-arm64"),
    ],
)
def test_what_differs_from_day_to_day_is_compared_by_its_form(page: str, real: str) -> None:
    """Times, sizes and the machine may be others; something else in their place may not."""
    assert _same(page, real)
    assert not _same(page, "something else")


def test_bytes_are_compared() -> None:
    """Below a kilobyte a size is exact, and so are all other numbers."""
    assert not _same("14 B", "15 B")
    assert not _same("words 4", "words 5")


def test_id_stands_for_the_same_thing_on_the_whole_page() -> None:
    """The real id is put into later commands, and another one in its place is a difference."""
    bindings = match("run f83d6800\n", Printed(("run 0a1b2c3d",)), {})
    assert bindings is not None
    assert bound("taskmgr show f83d6800", bindings) == "taskmgr show 0a1b2c3d"
    assert match("run f83d6800\n", Printed(("run 0a1b2c3d",)), bindings) is not None
    assert match("run f83d6800\n", Printed(("run 99999999",)), bindings) is None


def test_what_is_not_told_of_stderr_is_not_asked_for() -> None:
    """A page may leave out progress, but not say what was not said."""
    assert _same("done\n", "done", err=("working",))
    assert _same("error: no\n", err=("working", "error: no"))
    assert not _same("error: no\n", err=("working",))


def test_terminal_may_have_printed_more() -> None:
    """Of a program that goes on only what the page tells has to be there."""
    assert match_beginning("ready\n", ("starting", "ready", "more"), {}) is not None
    assert match_beginning("ready\n", ("starting",), {}) is None


def _run(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    session = Session.begin(tmp_path)
    try:
        for block in blocks(page):
            session.run(block)
    finally:
        session.close()


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo a\nb\n```\n",
        "```console\n$ false\n```\n",
        "```python\nassert False\n```\n",
        "```python\nprint(1)\n```\n\n```text\n2\n```\n",
        "```json\n{\n```\n",
        "```klingon\nqapla\n```\n",
        "```toml\n# a.toml\nx = 1\n```\n\n```diff\n+++ a.toml\n-y = 1\n+y = 2\n```\n",
        "```toml\n# a.toml\nx = 1\n```\n\n<!-- part of: a.toml -->\n```toml\ny = 1\n```\n",
    ],
    ids=["output", "status", "python", "printed", "data", "language", "difference", "part"],
)
def test_page_that_is_wrong_fails(tmp_path: Path, text: str) -> None:
    """Each kind of block can be found wrong."""
    with pytest.raises((PageError, ValueError)):
        _run(tmp_path, text)


def test_page_goes_on_where_the_last_block_ended(tmp_path: Path) -> None:
    """Folder, variables, exit status, files and Python's names are those of the block before."""
    _run(
        tmp_path,
        "```console\n$ mkdir inner && cd inner && export GREETING=hello\n```\n\n"
        "```toml\n# a.toml\nx = 1\n```\n\n"
        "```diff\n--- a.toml\n+++ a.toml\n@@\n-x = 1\n+x = 2\n```\n\n"
        "```console\n$ echo $GREETING; tail -n 1 a.toml; pwd\nhello\nx = 2\n.../inner\n```\n\n"
        "```python\nnumber = 3\n```\n\n```python\nprint(number)\n```\n\n```text\n3\n```\n",
    )

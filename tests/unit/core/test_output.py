"""Output lines: the same whatever pieces the bytes come in, and never more than is allowed."""

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import output
from taskmgr_core.output import LINE_COST_BYTES, TAIL_LINES, OutputLines

# Short lines, so that the examples are.
LINE_BYTES = 16


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of 16 bytes are long, and cost nothing beside their bytes."""
    monkeypatch.setattr(output, "LINE_BYTES", LINE_BYTES)
    monkeypatch.setattr(output, "LINE_COST_BYTES", 0)


@attrs.define
class Kept:
    """What was passed on."""

    lines: dict[str, list[str]] = attrs.field(factory=dict)
    calls: list[list[tuple[str, str]]] = attrs.field(factory=list)

    def take(self, lines: Sequence[tuple[str, str]]) -> None:
        """Remember lines."""
        for stream, text in lines:
            self.lines.setdefault(stream, []).append(text)
        self.calls.append(list(lines))


def kept(pieces: Sequence[tuple[str, bytes]], limit: int = 10**9, *, often: bool = False) -> Kept:
    """What is passed on of these pieces."""
    found = Kept()
    lines = OutputLines(found.take, limit)
    for stream, piece in pieces:
        lines.feed(stream, piece)
        if often:
            lines.pass_on()
    lines.finish()
    return found


def said(content: bytes, limit: int = 10**9) -> list[str]:
    """The lines of one stream that came in one piece."""
    return kept([("stdout", content)], limit).lines.get("stdout", [])


# Lines around the greatest length, in several encodings, with and without an end.
PARTS = st.sampled_from(
    [b"", b"a", b"\n", b"\r\n", b"\r", "ü".encode(), "😀".encode(), b"\x00", b"tqdm\r"]
    + [b"x" * (LINE_BYTES + more) for more in (-1, 0, 1)]
    + [b"y" * (2 * LINE_BYTES + more) for more in (-1, 0, 1)]
    + ["é".encode() * LINE_BYTES]
)
CONTENTS = st.lists(PARTS, max_size=12).map(b"".join)


@st.composite
def splits(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Bytes, and the pieces in which they come."""
    content = draw(CONTENTS)
    places = sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))
    ends = [*places, len(content)]
    starts = [0, *places]
    return content, [content[a:b] for a, b in zip(starts, ends, strict=True)]


# lines


@given(splits())
def test_lines_do_not_depend_on_the_pieces(split: tuple[bytes, list[bytes]]) -> None:
    """Bytes give the same lines in one piece, in any pieces, and one by one."""
    content, pieces = split
    whole = said(content)
    assert kept([("stdout", each) for each in pieces]).lines.get("stdout", []) == whole
    assert kept([("stdout", each) for each in pieces], often=True).lines.get("stdout", []) == whole


@given(splits(), st.integers(0, 3 * LINE_BYTES))
def test_limit_does_not_depend_on_the_pieces(split: tuple[bytes, list[bytes]], limit: int) -> None:
    """What is kept, and how much is said to have been dropped, is the same for any pieces."""
    content, pieces = split
    assert kept([("stdout", each) for each in pieces], limit).lines == (
        kept([("stdout", content)], limit).lines
    )


@given(CONTENTS)
def test_nothing_is_lost_of_the_lines(content: bytes) -> None:
    """Put together again, the lines are what was written, but for ends of lines."""
    joined = "".join(said(content))
    expected = content.replace(b"\n", b"").replace(b"\r", b"")
    assert joined.replace("\r", "") == expected.decode(errors="replace")
    assert all(len(line) <= LINE_BYTES for line in said(content))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\ntwo", ["one", "two"]),
        (b"one\n\n\ntwo\n", ["one", "", "", "two"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"10%\r20%\r30%\n", ["10%\r20%\r30%"]),
        ("zwölf\n".encode(), ["zwölf"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        ("1234567890123é€".encode(), ["1234567890123é", "€"]),
        (b"\x80" * 20, ["\ufffd" * 12, "\ufffd" * 8]),
    ],
)
def test_lines_are_cut_at_their_ends(content: bytes, lines: list[str]) -> None:
    """A line ends with its newline, or with the stream; what is no UTF-8 is replaced."""
    assert said(content) == lines


@pytest.mark.parametrize("ended", [b"", b"\n"])
@pytest.mark.parametrize(
    "length", [1, LINE_BYTES, LINE_BYTES + 1, 3 * LINE_BYTES, 3 * LINE_BYTES + 7]
)
def test_long_line_is_cut_and_kept_whole(length: int, ended: bytes) -> None:
    """A line that is too long goes on in the next one, whether it ends or not."""
    content = bytes(97 + number % 26 for number in range(length))
    lines = said(content + ended)
    assert "".join(lines) == content.decode()
    assert {len(line) for line in lines[:-1]} <= {LINE_BYTES}
    assert 0 < len(lines[-1]) <= LINE_BYTES


def test_streams_are_kept_apart() -> None:
    """Pieces of lines of two streams do not run into each other."""
    found = kept([("stdout", b"on"), ("stderr", b"wr"), ("stdout", b"e\n"), ("stderr", b"ong")])
    assert found.lines == {"stdout": ["one"], "stderr": ["wrong"]}


def test_lines_are_passed_on_together() -> None:
    """Complete lines wait for ``pass_on``, which hands over both streams in their order."""
    found = Kept()
    taker = OutputLines(found.take)
    taker.feed("stdout", b"one\n")
    taker.feed("stderr", b"err\n")
    taker.feed("stdout", b"two\nthr")
    assert found.calls == []
    taker.pass_on()
    assert found.calls == [[("stdout", "one"), ("stderr", "err"), ("stdout", "two")]]
    taker.pass_on()
    assert len(found.calls) == 1
    taker.finish()
    assert found.lines == {"stdout": ["one", "two", "thr"], "stderr": ["err"]}


def test_requests_of_an_attempt_share_the_limit() -> None:
    """The end of a request ends its last line; what was written before counts for the next."""
    found = Kept()
    taker = OutputLines(found.take, 16)
    taker.feed("stdout", b"loading")
    taker.end_lines()
    assert found.lines == {"stdout": ["loading"]}
    taker.feed("stdout", b"calling\ndone\n")
    taker.finish()
    assert found.lines["stdout"] == ["loading", "done"]


def test_finishing_again_says_nothing_more() -> None:
    """``finish`` twice hands over everything once."""
    found = Kept()
    taker = OutputLines(found.take, 8)
    taker.feed("stdout", b"one\nmiddle\ntwo\n")
    for _ in range(2):
        taker.finish()
    assert found.lines == {"stdout": ["one", "two"], "taskmgr": [held(4), left_out(7, 1, 8)]}


# limits


def held(room: int) -> str:
    """What is said where live lines end."""
    return f"from here on the last {room} bytes are kept, and follow when the attempt ends"


def left_out(size: int, lines: int, limit: int) -> str:
    """What is said where lines are missing."""
    return f"{size} bytes in {lines} lines were left out here (limit {limit})"


@given(CONTENTS, st.integers(0, 3 * LINE_BYTES))
def test_first_and_last_lines_are_kept(content: bytes, limit: int) -> None:
    """Up to the limit the first and the last lines are kept; the rest is counted to the byte."""
    calls = kept([("stdout", content)], limit).calls
    lines = [each for call in calls for each in call if not each[1].startswith("from here on")]
    whole = said(content)
    gaps = [number for number, (stream, _) in enumerate(lines) if stream == "taskmgr"]
    if not gaps:
        assert [text for _, text in lines] == whole
        return
    (gap,) = gaps
    first, last = ([text for _, text in part] for part in (lines[:gap], lines[gap + 1 :]))
    words = lines[gap][1].split()
    dropped_bytes, dropped_lines = int(words[0]), int(words[3])
    assert whole[: len(first)] == first
    assert whole[len(whole) - len(last) :] == last
    assert len(whole) - len(first) - len(last) == dropped_lines
    assert len(content) - dropped_bytes <= limit
    assert limit < len(content)


def test_lines_arrive_live_until_half_of_the_limit() -> None:
    """The first half is passed on at once, and then that the rest comes at the end."""
    found = Kept()
    taker = OutputLines(found.take, 20)
    for number in range(9):
        taker.feed("stdout", b"line %d\n" % number)
        taker.pass_on()
    assert found.lines == {"stdout": ["line 0"], "taskmgr": [held(13)]}
    taker.finish()
    assert found.lines["stdout"] == ["line 0", "line 8"]
    assert found.lines["taskmgr"][1:] == [left_out(49, 7, 20)]


def test_end_of_both_streams_is_kept_in_order() -> None:
    """The last lines come as they were written, whichever stream they were written to."""
    found = Kept()
    taker = OutputLines(found.take, 40)
    for number in range(9):
        taker.feed("stdout", b"out %d\n" % number)
        taker.feed("stderr", b"err %d\n" % number)
    taker.finish()
    texts = [text for call in found.calls for _, text in call]
    assert texts[:3] == ["out 0", "err 0", "out 1"]
    assert texts[-3:] == ["err 7", "out 8", "err 8"]


def test_log_has_one_gap() -> None:
    """Once a line was held back, shorter ones that would still fit wait with it."""
    found = kept([("stdout", b"1234\n12345678\n12\n"), ("stderr", b"1\n")], 12)
    assert found.lines == {
        "stdout": ["1234", "12"],
        "stderr": ["1"],
        "taskmgr": [held(7), left_out(9, 1, 12)],
    }


def test_flood_is_not_held_in_memory() -> None:
    """A stream that never ends its line, and one that ends many, are held no longer than needed."""
    found = Kept()
    taker = OutputLines(found.take, 1000)
    for _ in range(200):
        taker.feed("stdout", b"z" * 4096)
        taker.feed("stderr", b"line\n" * 800)
        assert sum(len(line) for _, line, _ in taker._held) <= 1000
    taker.finish()
    assert sum(map(len, found.lines.get("stdout", []))) <= 1000
    assert sum(len(line) + 1 for line in found.lines.get("stderr", [])) <= 1000


def test_empty_lines_are_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line counts for what storing it costs; what was dropped is told as it was written."""
    monkeypatch.setattr(output, "LINE_COST_BYTES", LINE_COST_BYTES)
    found = kept([("stdout", b"\n" * 3_000)], 1_000)
    assert found.lines["stdout"] == [""] * 9
    assert found.lines["taskmgr"] == [held(596), left_out(2991, 2991, 1000)]


# the tail


def test_tail_is_kept_whatever_was_dropped() -> None:
    """The last lines of a stream are there for an error's message, beyond any limit."""
    taker = OutputLines(lambda _: None, 0)
    taker.feed("stderr", b"".join(b"line %d\n" % number for number in range(100)))
    lines = taker.tail("stderr").split("\n")
    assert lines == [f"line {number}" for number in range(100 - TAIL_LINES, 100)]
    taker.feed("stderr", b"Killed")
    assert taker.tail("stderr").split("\n") == [*lines, "Killed"]
    assert taker.tail("stdout") == ""

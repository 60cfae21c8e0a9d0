"""Frames: any split of the bytes gives the same frames; what is no frame is refused."""

import os
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins import protocol
from taskmgr_plugins.errors import ProtocolError
from taskmgr_plugins.protocol import Decoder, Frame, encode, read_frame, write_frame

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # A lone surrogate, as in a file name that is not UTF-8, has to pass as well.
    | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FRAMES = st.builds(
    lambda kind, rest: {**rest, "kind": kind},
    st.text(),
    st.dictionaries(st.text(), VALUES, max_size=3),
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:  # the test closed it
            continue


@given(st.lists(FRAMES, max_size=4), st.data())
def test_decoder_gives_the_same_frames_for_any_split(
    frames: list[Frame], data: st.DataObject
) -> None:
    """However the bytes arrive, the frames are those that were sent, in order."""
    sent = b"".join(encode(each) for each in frames)
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=6).map(sorted))
    decoder, received = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        received += decoder.feed(sent[start:end])
    assert received == frames


@given(FRAMES)
def test_decoder_gives_nothing_for_a_truncated_frame(frame: Frame) -> None:
    """A frame is given out when its last byte has come, and not before."""
    sent = encode(frame)
    decoder = Decoder()
    assert decoder.feed(sent[:-1]) == []
    assert decoder.feed(sent[-1:]) == [frame]


def test_decoder_tells_what_is_left_over() -> None:
    """Bytes of a frame that has not come whole are pending, and only those."""
    decoder, sent = Decoder(), encode({"kind": "call"})
    decoder.feed(sent + sent[:5])
    assert decoder.pending == 5
    decoder.feed(sent[5:])
    assert decoder.pending == 0


def test_decoder_takes_single_bytes() -> None:
    """Bytes that come one by one make the same frame."""
    decoder, frame = Decoder(), {"kind": "call", "inputs": {"text": "é"}}
    received = [each for byte in encode(frame) for each in decoder.feed(bytes([byte]))]
    assert received == [frame]


def framed(body: bytes) -> bytes:
    """Bytes as the body of a frame."""
    return struct.pack(">I", len(body)) + body


GARBLED = [
    framed(b"not json"),
    framed(b""),
    framed(b"\xff\xfe\x00"),
    framed(b"[]"),
    framed(b"{}"),
    framed(b'{"kind": 5}'),
    framed(b"[" * 100_000),
    struct.pack(">I", protocol.MAXIMUM_FRAME_BYTES + 1),
    b"HTTP/1.1 400 Bad Request",
]


@pytest.mark.parametrize("content", GARBLED)
def test_decoder_refuses_what_is_no_frame(content: bytes) -> None:
    """Garbled bytes are an error of the protocol, never another one."""
    with pytest.raises(ProtocolError):
        Decoder().feed(content)


@pytest.mark.parametrize("content", GARBLED)
def test_read_frame_refuses_what_is_no_frame(pipe: tuple[int, int], content: bytes) -> None:
    """Reading a pipe refuses the same as the decoder."""
    reading, writing = pipe

    def write() -> None:
        os.write(writing, content)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(ProtocolError):
        read_frame(reading)
    os.close(reading)
    writer.join()


@given(st.binary(max_size=40))
def test_decoder_survives_any_bytes(content: bytes) -> None:
    """Whatever arrives, it is frames, too little yet, or an error of the protocol."""
    try:
        frames = Decoder().feed(content)
    except ProtocolError:
        return
    assert all(isinstance(each["kind"], str) for each in frames)


def test_written_frames_are_read(pipe: tuple[int, int]) -> None:
    """Frames come out of a pipe as they went in; then the end of the pipe is None."""
    reading, writing = pipe
    frames = [{"kind": "call", "number": number} for number in range(3)]
    for frame in frames:
        write_frame(writing, frame)
    os.close(writing)
    assert [read_frame(reading) for _ in frames] == frames
    assert read_frame(reading) is None


def test_frame_larger_than_the_pipe_is_read(pipe: tuple[int, int]) -> None:
    """A frame that does not fit into the pipe at once is written and read in parts."""
    reading, writing = pipe
    frame = {"kind": "result", "text": "x" * 300_000}
    writer = threading.Thread(target=write_frame, args=(writing, frame))
    writer.start()
    assert read_frame(reading) == frame
    writer.join()


@pytest.mark.parametrize("kept", [1, 3, 4, 10])
def test_pipe_that_ends_inside_a_frame_is_refused(pipe: tuple[int, int], kept: int) -> None:
    """A writer that dies in mid-frame is noticed, in the length as in the body."""
    reading, writing = pipe
    os.write(writing, encode({"kind": "call", "text": "hello"})[:kept])
    os.close(writing)
    with pytest.raises(ProtocolError, match="the pipe ended"):
        read_frame(reading)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_frame_with_a_nan_is_refused(number: float) -> None:
    """JSON has no word for NaN and infinity."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"kind": "result", "x": number})


def test_frame_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is too large for a frame is told how to travel instead."""
    monkeypatch.setattr(protocol, "MAXIMUM_FRAME_BYTES", 100)
    with pytest.raises(ProtocolError, match="more than the 100 allowed; pass large values as File"):
        encode({"kind": "result", "text": "x" * 100})


@given(st.integers(-5, 5) | st.none() | st.text() | st.floats())
def test_worker_speaks_every_released_protocol_and_no_newer_one(told: object) -> None:
    """Whole numbers from the oldest to its own; what is newer, older or no number it refuses."""
    known = list(range(protocol.OLDEST, protocol.VERSION + 1))
    assert protocol.is_spoken(told) == (type(told) is int and told in known)


def test_protocol_of_the_first_release_is_spoken() -> None:
    """taskmgr-plugins 0.1.0 speaks 2, and its releases stay until a major version."""
    assert protocol.is_spoken(2)
    assert not protocol.is_spoken(protocol.VERSION + 1)

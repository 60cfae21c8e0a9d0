"""The frames between a worker and its runner process.

A frame is a length (4 bytes, big endian) and that many bytes of JSON, an
object with a ``kind`` and an ``id``. The frames travel over pipes of their own,
so that nothing which a task prints can get between them.

The worker numbers what it asks, and each answer has the ``id`` of its question
(``hello``, which nobody asked for, has 0). An answer with another ``id`` was
meant for somebody else: whoever reads one gives the runner up.

A worker sends ``describe`` (list the tasks), ``load`` (get a task ready),
``call`` (one attempt) and ``batch`` (several at once, of a task that takes them
so). The runner answers ``hello`` once, then one frame for each: ``described``,
``loaded``, ``result``, ``results``, ``items`` or ``error``. The end of the worker's
pipe, or of the lifeline, ends the runner.

Of a ``batch`` the ``items`` are what differs between its calls, and ``results``
has an entry for each in their order: ``outputs``, or an ``error``. Which part of
the output is whose is marked in it: see ``turn_mark``.

A task that yields is asked with ``stream``, which is else a ``call``, and then with
``more``, as often as its ``items`` do not say that it has ``ended``. It goes some
items further than it was asked, and no more: who does not ask holds it up.

A virtualenv keeps the SDK that its plugin was published with, and a worker may
be of another taskmgr. ``hello`` tells the runner's ``VERSION``; a worker speaks
every version from ``OLDEST`` to its own, and refuses a newer one. Raise
``VERSION`` with every change after which an older worker would misunderstand a
newer runner, and keep the worker able to speak the versions before it, so that
what is published goes on running:

- how bytes become frames, or which keys a frame of any kind must have;
- a kind of frame that is new, or gone, or answered differently;
- how values are written in a frame (``$array``, ``$artifact``, files in the
  working folder), or what the runner's options and descriptors are.

A key that the other side may ignore is no such change. ``OLDEST`` is raised with
a major version only. Two things stay as they are for ever, because they tell the
difference: the length before the JSON, and the ``kind`` and ``protocol`` of
``hello``.

3: ``batch``; ``stream`` and ``more``.
2: frames have ids. The first that was released, with taskmgr-plugins 0.1.0.
1: never released.
"""

import json
import os
import struct
from collections.abc import Callable
from typing import Any

from taskmgr_plugins.errors import ProtocolError

VERSION = 3
OLDEST = 2
BATCHES_SINCE = 3
# Reading a frame holds the interpreter: one of this size for some tenths of a second.
MAXIMUM_FRAME_BYTES = 16 * 1024 * 1024

_LENGTH = struct.Struct(">I")
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
Frame = dict[str, Any]


def is_spoken(version: object) -> bool:
    """Whether a worker of this SDK speaks the protocol that a runner's ``hello`` tells."""
    return isinstance(version, int) and OLDEST <= version <= VERSION


def turn_mark(mark: str, index: int | None) -> bytes:
    """What a runner writes to its stdout and stderr before another item's turn.

    Arguments:
        mark: what the frame of the batch calls for; nobody else can know it.
        index: of the item; None for what is done for all of them.
    """
    return f"\0{mark} {'all' if index is None else index}\0".encode()


def encode(frame: Frame) -> bytes:
    """A frame as bytes.

    Raises:
        ValueError: it holds a NaN or an infinity.
        ProtocolError: it is larger than a frame may be.
    """
    body = _ENCODER.encode(frame).encode()
    if len(body) > MAXIMUM_FRAME_BYTES:
        raise ProtocolError(
            f"a frame of {len(body)} bytes is more than the {MAXIMUM_FRAME_BYTES} allowed; "
            "pass large values as File, Image or Array"
        )
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Puts frames together from bytes as they arrive.

    Arguments:
        parse: reads JSON, as ``json.loads`` does.
    """

    def __init__(self, parse: Callable[[bytes], Any] = json.loads) -> None:
        self._parse = parse
        self._pending = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes have come of a frame that is not complete."""
        return len(self._pending)

    def feed(self, received: bytes) -> list[Frame]:
        """Take in bytes; return the frames that are complete now.

        Raises:
            ProtocolError: what arrived is no frame.
        """
        self._pending += received
        frames = []
        while len(self._pending) >= _LENGTH.size:
            length = _announced(self._pending)
            end = _LENGTH.size + length
            if len(self._pending) < end:
                break
            frames.append(_decoded(bytes(self._pending[_LENGTH.size : end]), self._parse))
            del self._pending[:end]
        return frames


def read_frame(descriptor: int) -> Frame | None:
    """Read one frame, blocking; None at the end of the pipe.

    Raises:
        ProtocolError: the pipe ended inside a frame, or it is garbled.
    """
    header = _read_exactly(descriptor, _LENGTH.size)
    if header is None:
        return None
    length = _announced(header)
    body = _read_exactly(descriptor, length)
    if body is None:
        raise ProtocolError(f"the pipe ended before the {length} bytes that were announced")
    return _decoded(body)


def write_frame(descriptor: int, frame: Frame) -> None:
    """Write one frame, blocking."""
    remaining = memoryview(encode(frame))
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def _read_exactly(descriptor: int, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(descriptor, min(count - len(parts), 1 << 20))
        if not part:
            if parts:
                raise ProtocolError(f"the pipe ended after {len(parts)} of {count} bytes")
            return None
        parts += part
    return bytes(parts)


def _announced(header: bytes | bytearray) -> int:
    length: int = _LENGTH.unpack_from(header)[0]
    if length > MAXIMUM_FRAME_BYTES:
        raise ProtocolError(f"a frame announces {length} bytes; it is garbled")
    return length


def _decoded(body: bytes, parse: Callable[[bytes], Any] = json.loads) -> Frame:
    try:
        frame = parse(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame is not JSON: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("kind"), str):
        raise ProtocolError("a frame must be an object with a kind")
    return frame

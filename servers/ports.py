"""Ports of the loopback interface that nobody uses."""

import json
import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
# Below those that the kernel gives to outgoing connections, which could otherwise take
# the port of a server while it is down.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 1000


def ports_of(folder: Path, count: int) -> tuple[int, ...]:
    """The ports that a folder's server had before, where they are free; else others.

    Raises:
        OSError: hardly any port is free.
    """
    path = folder / "ports.json"
    if path.exists():
        before: list[int] = json.loads(path.read_text())
        if len(before) == count and all(_is_free(port) for port in before):
            return tuple(before)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = free_ports(count)
    path.write_text(json.dumps(chosen))
    return chosen


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that are free now, in no order.

    Raises:
        OSError: hardly any port is free.
    """
    held: list[socket.socket] = []
    try:
        # Each is tried once: what is only held can be held twice.
        for port in random.sample(range(_FIRST, _LAST), _TRIES):
            if len(held) == count:
                break
            _hold(port, held)
        else:
            raise OSError(f"no {count} free ports between {_FIRST} and {_LAST}")
        return tuple(each.getsockname()[1] for each in held)
    finally:
        for each in held:
            each.close()


def _is_free(port: int) -> bool:
    held: list[socket.socket] = []
    _hold(port, held)
    for each in held:
        each.close()
    return bool(held)


def _hold(port: int, held: list[socket.socket]) -> None:
    candidate = socket.socket()
    # As servers do: connections of one that is gone do not keep its port.
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((HOST, port))
    except OSError:
        candidate.close()
    else:
        held.append(candidate)

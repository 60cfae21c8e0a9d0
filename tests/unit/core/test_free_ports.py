"""The ports that the servers of tests and demonstrations get."""

import pytest

from servers import ports


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few ports as many as are asked for, each once: a server's roles do not collide."""
    monkeypatch.setattr(ports, "_LAST", ports._FIRST + 40)
    monkeypatch.setattr(ports, "_TRIES", 40)
    found = ports.free_ports(20)
    assert len(set(found)) == 20

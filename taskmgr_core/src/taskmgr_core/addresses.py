"""Addresses of servers: what of them may be shown, and what must never be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlencode

HIDDEN = "***"
# Where the REST API and the web page are, unless another port is chosen.
API_PORT = 8320

_SECRET_OPTION = re.compile(r"pass|secret|token|credential|username|mechanismprop", re.IGNORECASE)
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?(/\w*)?\Z")
_PLACE = re.compile(r"((\[[^]]*\]|[^:,/]*)(:\d{0,5})?(,|\Z|(?=/)))*(/.*)?\Z")
# Shorter ones are in too many words: hiding them would say what they are.
_LONG_ENOUGH = 4


def without_secrets(address: str) -> str:
    """An address as it may be shown: whoever it is used as, and with what, is ``***``.

    What comes before the last ``@`` counts as secret: a password that is not written as it
    should be may have a ``/``, a ``?`` or a ``@`` in it.
    """
    scheme, found, rest = address.partition("://")
    if not found:
        return address if not address or _HOST.match(address) else HIDDEN
    user, at, place = rest.rpartition("@")
    place, mark, query = place.partition("?")
    if not at and not _PLACE.match(place):
        return f"{scheme}://{HIDDEN}"  # it has the beginning of an account, perhaps
    options = [
        (name, HIDDEN if _SECRET_OPTION.search(name) else value)
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    shown = f"{scheme}://{HIDDEN + at if user else at}{place}"
    return f"{shown}{mark}{urlencode(options, safe='*/:,+@')}" if mark else shown


def place_of(address: str) -> str:
    """Where a server is: scheme, host, port and path of its address, and nothing else."""
    scheme, found, rest = without_secrets(address).partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2].partition('?')[0]}"


def secrets_of(address: str) -> frozenset[str]:
    """The texts of an address that must not be shown, as written and as meant."""
    return frozenset(
        form
        for each in _secrets(address)
        for form in (each, unquote(each))
        if len(form) >= _LONG_ENOUGH
    )


def _secrets(address: str) -> Iterator[str]:
    rest = address.partition("://")[2]
    user, at, place = rest.rpartition("@")
    if at:
        yield user.partition(":")[2] or user
    for pair in place.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if _SECRET_OPTION.search(name):
            yield value

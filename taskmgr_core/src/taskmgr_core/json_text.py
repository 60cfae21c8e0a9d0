"""JSON text, read and written as the module ``json`` does it, and quicker.

Of a step many small documents are read and written. For each that it writes with other than its
usual settings ``json`` makes an encoder anew, which takes longer than to write it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any

import jiter

# In C; what else there is of Python may have none.
_make_encoder = getattr(encoder, "c_make_encoder", None)


def plain(text: str | bytes) -> Any:
    """JSON text as a plain value: what ``json.loads`` gives.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    try:
        encoded = text.encode() if isinstance(text, str) else text
        return jiter.from_json(encoded, allow_inf_nan=False)
    except ValueError:
        # It takes less for JSON than ``json``, which decides, and says what is wrong.
        return json.loads(text)


def writer(*, ensure_ascii: bool) -> Callable[[Any], str]:
    """What writes JSON without spaces, and refuses NaN.

    What it makes must not be given a document that contains itself: it looks for no circles.

    Arguments:
        ensure_ascii: whether other characters are escaped.
    """
    usual = json.JSONEncoder(
        allow_nan=False, separators=(",", ":"), ensure_ascii=ensure_ascii, check_circular=False
    )
    if _make_encoder is None:
        return usual.encode
    text = encoder.encode_basestring_ascii if ensure_ascii else encoder.encode_basestring
    parts = _make_encoder(None, usual.default, text, None, ":", ",", False, False, False)

    def write(document: Any) -> str:
        return "".join(parts(document, 0))

    return write

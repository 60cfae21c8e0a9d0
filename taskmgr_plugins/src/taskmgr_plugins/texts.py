"""How much is kept of what is said about an error.

The runner keeps to it, and the worker, which trusts no runner, does so again.
"""

MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 20_000

_NOTE_CHARACTERS = 60


def bounded(text: str, limit: int) -> str:
    """The text, or its beginning and end and how much was left out between them.

    Arguments:
        text: of any length.
        limit: how many characters the result has at most; more than a hundred.
    """
    if len(text) <= limit:
        return text
    kept = limit - _NOTE_CHARACTERS
    beginning, end = text[: kept - kept // 2], text[-(kept // 2) :]
    return f"{beginning} [... {len(text) - kept} characters left out ...] {end}"

"""Texts of a bounded length."""

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins.texts import bounded


@given(st.text(max_size=300), st.integers(101, 200))
def test_bounded_text_keeps_beginning_and_end(text: str, limit: int) -> None:
    """It is never too long, says exactly what is missing, and is bounded no further again."""
    found = bounded(text, limit)
    assert len(found) <= limit
    assert bounded(found, limit) == found
    if len(text) <= limit:
        assert found == text
        return
    beginning, _, rest = found.partition(" [... ")
    count, _, end = rest.partition(" characters left out ...] ")
    if " [... " not in text and "...]" not in text:
        assert text.startswith(beginning)
        assert text.endswith(end)
        assert len(beginning) + len(end) + int(count) == len(text)

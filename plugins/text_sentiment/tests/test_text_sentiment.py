"""The task ``text_sentiment``, in its own virtualenv and runner."""

from typing import Any

import pytest

from taskmgr_core.testing import RunIsolated, TemporaryPlatform

TEXTS = {
    "positive": [
        "I love this product, it works wonderfully.",
        "What a great day!",
        "The staff were friendly and the food was excellent :)",
        "Not bad at all.",
        "We won 🎉 and I am so happy 😊",
    ],
    "neutral": [
        "The train leaves at nine o'clock.",
        "The box contains three cables and a manual.",
        "42",
        "",
        "   \n\t ",
        "!!!",
    ],
    "negative": [
        "This is a terrible, broken device.",
        "I am not happy with the service.",
        "Worst purchase ever, what a disaster.",
        "The film was nice, but the ending was horrible and sad.",
        "They lied to us and stole the money.",
    ],
}


@pytest.mark.parametrize(
    ("expected", "text"), [(kind, text) for kind, texts in TEXTS.items() for text in texts]
)
def test_plain_texts_are_told_apart(expected: str, text: str, run_isolated: RunIsolated) -> None:
    """Clear praise is positive, clear complaint negative, a plain fact or no word neutral."""
    assert run_isolated("text_sentiment", text=text)["sentiment"] == expected


@pytest.mark.parametrize(
    "text", [*(text for texts in TEXTS.values() for text in texts), "\x00\ud7ff😀", "no " * 5000]
)
def test_numbers_stay_in_range(text: str, run_isolated: RunIsolated) -> None:
    """The score lies between -1 and 1; the three shares add up to 1, or are 0 without a word."""
    answer: dict[str, Any] = run_isolated("text_sentiment", text=text)
    shares = [answer[each] for each in ("positive", "neutral", "negative")]
    assert -1 <= answer["score"] <= 1
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1, abs=0.002) or shares == [0, 0, 0]


def test_stronger_words_score_higher(run_isolated: RunIsolated) -> None:
    """Emphasis moves the score in its direction."""
    weak, strong = (
        run_isolated("text_sentiment", text=text)["score"]
        for text in ("It is good.", "It is extremely GOOD!!!")
    )
    assert weak < strong


def test_sentiment_runs_in_the_language_queue(platform: TemporaryPlatform) -> None:
    """Workers for texts need not be those for pictures."""
    platform.publish()
    (task,) = platform.client.tasks()
    assert (task.name, task.task.queue) == ("text_sentiment", "nlp")

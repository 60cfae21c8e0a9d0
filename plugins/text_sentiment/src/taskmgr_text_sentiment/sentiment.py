"""The sentiment of an English text, by VADER's lexicon and rules."""

from __future__ import annotations

from typing import Literal

import attrs
from vader import polarity_scores

from taskmgr_plugins import task

Sentiment = Literal["positive", "neutral", "negative"]

# VADER's authors' own bounds on the compound score.
POSITIVE_FROM = 0.05
NEGATIVE_TO = -0.05


@attrs.frozen
class TextSentiment:
    """How positive a text is.

    Attributes:
        sentiment: positive from a score of 0.05 on, negative to -0.05.
        score: VADER's compound score, from -1 to 1.
        positive: the share of the text that is positive, from 0 to 1.
        neutral: the share that is neutral.
        negative: the share that is negative. The three add up to 1, but for a
            text without a word, where all are 0.
    """

    sentiment: Sentiment
    score: float
    positive: float
    neutral: float
    negative: float


@task(queue="nlp")
def text_sentiment(text: str) -> TextSentiment:
    """Tell how positive an English text is, by VADER's lexicon and rules.

    The method: C. Hutto, E. Gilbert, "VADER: A Parsimonious Rule-based Model
    for Sentiment Analysis of Social Media Text", ICWSM (2014).

    Arguments:
        text: a sentence or a short text. The score of a long one runs to -1 or
            1; score its sentences one by one.
    """
    scores = polarity_scores(text)
    return TextSentiment(
        sentiment=_sentiment(scores["compound"]),
        score=scores["compound"],
        positive=scores["pos"],
        neutral=scores["neu"],
        negative=scores["neg"],
    )


def _sentiment(score: float) -> Sentiment:
    if score >= POSITIVE_FROM:
        return "positive"
    return "negative" if score <= NEGATIVE_TO else "neutral"

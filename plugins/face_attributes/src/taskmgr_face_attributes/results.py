"""What the task says of each face."""

from __future__ import annotations

from typing import Literal

import attrs

Gender = Literal["female", "male"]
Emotion = Literal["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


@attrs.frozen
class AgeEstimate:
    """How old a face looks.

    Attributes:
        estimated_age: in years, the mean of the network's distribution over 0 to 80.
        confidence: the share of that distribution within five years of it.
    """

    estimated_age: float
    confidence: float


@attrs.frozen
class GenderEstimate:
    """The gender that a face is taken for.

    Attributes:
        predicted_gender: the likelier of the two that the network knows.
        confidence: its probability, from 0.5 to 1.
    """

    predicted_gender: Gender
    confidence: float


@attrs.frozen
class EmotionEstimate:
    """The emotion that a face shows.

    Attributes:
        dominant_emotion: the likeliest of the seven.
        confidence: its probability.
    """

    dominant_emotion: Emotion
    confidence: float


@attrs.frozen
class AttributedFace:
    """Age, gender and emotion of one face, by the detector's ``face_id``."""

    face_id: str
    age: AgeEstimate
    gender: GenderEstimate
    emotion: EmotionEstimate


@attrs.frozen
class AttributedFaces:
    """One entry for each face that was handed over, in the same order."""

    attributes_array: list[AttributedFace]

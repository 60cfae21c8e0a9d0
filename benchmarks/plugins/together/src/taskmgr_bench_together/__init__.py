"""Two models, each one by one and in batches.

The embedding of a face is bound by computing. The dense network is bound by reading its weights,
as the layers of a language model are that answers one token at a time.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy

from taskmgr_plugins import Image, MLTask, Model, hookimpl

SFACE = Model(
    name="face_recognition_sface_2021dec_int8bq.onnx",
    sha256="faebb6bfdda00af998d8333f6d70d88b2739a9abb8854ad45ae8f346b2b81430",
    licence="Apache-2.0",
    source="OpenCV Zoo; see plugins/face_features",
)
SIDE = 112
MOST = 8
WIDTH, LAYERS = 2048, 4


class _Face(MLTask):
    models = (SFACE,)
    queue = "bench"

    def load_model(self) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._net = cv2.dnn.readNetFromONNX(str(self.model_path(SFACE.name)))

    def embedded(self, faces: Sequence[Image]) -> Any:
        """Shape (faces, 128)."""
        pixels = [face.to_array("bgr") for face in faces]
        self._net.setInput(cv2.dnn.blobFromImages(pixels, 1.0, (SIDE, SIDE), swapRB=True))
        return self._net.forward()


class FaceAlone(_Face):
    """Embed a face."""

    def predict(self, face: Image) -> list[float]:
        return self.embedded([face])[0].tolist()  # type: ignore[no-any-return]


class FaceTogether(_Face):
    """Embed faces."""

    max_batch_size = MOST

    def predict_batch(self, face: list[Image]) -> list[list[float]]:
        return self.embedded(face).tolist()  # type: ignore[no-any-return]


class _Dense(MLTask):
    queue = "bench"

    def load_model(self) -> None:
        random = numpy.random.default_rng(7)
        shape = (LAYERS, WIDTH, WIDTH)
        self._layers = random.normal(0, WIDTH**-0.5, shape).astype(numpy.float32)

    def computed(self, seeds: Sequence[int]) -> list[float]:
        """One number for each."""
        rows = [numpy.random.default_rng(seed).normal(0, 1, WIDTH) for seed in seeds]
        values = numpy.array(rows, numpy.float32)
        for layer in self._layers:
            values = numpy.maximum(values @ layer, 0)
        return [float(each) for each in values.mean(axis=1)]


class DenseAlone(_Dense):
    """Compute a number."""

    def predict(self, seed: int) -> float:
        return self.computed([seed])[0]


class DenseTogether(_Dense):
    """Compute numbers."""

    max_batch_size = MOST

    def predict_batch(self, seed: list[int]) -> list[float]:
        return self.computed(seed)


@hookimpl
def taskmgr_tasks() -> list[type]:
    """The plugin's tasks."""
    return [FaceAlone, FaceTogether, DenseAlone, DenseTogether]

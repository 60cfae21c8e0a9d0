"""The plugin of the task ``face_detection``."""

from collections.abc import Sequence

from taskmgr_face_detection.detection import DetectedFace, DetectedFaces, FaceDetection
from taskmgr_plugins import hookimpl

__all__ = ["DetectedFace", "DetectedFaces", "FaceDetection", "taskmgr_tasks"]


@hookimpl
def taskmgr_tasks() -> Sequence[type]:
    """The plugin's one task."""
    return [FaceDetection]

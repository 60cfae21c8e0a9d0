"""The plugin of the task ``face_detection_haar``."""

from collections.abc import Sequence

from taskmgr_face_detection_haar.detection import DetectedFace, DetectedFaces, FaceDetectionHaar
from taskmgr_plugins import hookimpl

__all__ = ["DetectedFace", "DetectedFaces", "FaceDetectionHaar", "taskmgr_tasks"]


@hookimpl
def taskmgr_tasks() -> Sequence[type]:
    """The plugin's one task."""
    return [FaceDetectionHaar]

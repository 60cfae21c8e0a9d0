"""The plugin of the task ``face_features``."""

from collections.abc import Sequence

from taskmgr_face_features.faces import Face
from taskmgr_face_features.features import FaceFeatures, FeaturedFace, FeaturedFaces
from taskmgr_plugins import hookimpl

__all__ = ["Face", "FaceFeatures", "FeaturedFace", "FeaturedFaces", "taskmgr_tasks"]


@hookimpl
def taskmgr_tasks() -> Sequence[type]:
    """The plugin's one task."""
    return [FaceFeatures]

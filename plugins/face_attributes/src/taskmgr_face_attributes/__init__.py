"""The plugin of the task ``face_attributes``."""

from collections.abc import Sequence

from taskmgr_face_attributes.attributes import FaceAttributes
from taskmgr_face_attributes.faces import Face
from taskmgr_face_attributes.results import AttributedFace, AttributedFaces
from taskmgr_plugins import hookimpl

__all__ = ["AttributedFace", "AttributedFaces", "Face", "FaceAttributes", "taskmgr_tasks"]


@hookimpl
def taskmgr_tasks() -> Sequence[type]:
    """The plugin's one task."""
    return [FaceAttributes]

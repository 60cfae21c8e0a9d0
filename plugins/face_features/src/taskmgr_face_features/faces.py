"""Faces as a detector hands them over, and the square crop around one."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
import cv2
import numpy
from numpy.typing import NDArray

from taskmgr_plugins import Box, InvalidInputError, On, Points

Pixels = NDArray[Any]

# The crop is read this much finer than asked for and then averaged, so that a
# large face leaves no aliasing.
_OVERSAMPLING = 4


@attrs.frozen
class Face:
    """What a detector must say of a face; whatever else it says is not looked at.

    Attributes:
        face_id: the face's name in the run.
        bbox: the face's rectangle.
        points: the person's right eye, left eye, nose tip, right and left
            corner of the mouth.
    """

    face_id: str
    bbox: Annotated[Box, On("image")]
    points: Annotated[Points, On("image")]


@attrs.frozen
class Crop:
    """A square cut out of a picture.

    Attributes:
        pixels: shape (side, side, 3).
        left: its left edge, in pixels of the picture.
        upper: its upper edge.
        extent: its side.
    """

    pixels: Pixels
    left: float
    upper: float
    extent: float


def five_points(face: Face) -> Pixels:
    """The face's points, shape (5, 2).

    Raises:
        InvalidInputError: there are not five, or they all are one.
    """
    points = numpy.array(face.points.coordinates)
    if len(points) != 5 or numpy.ptp(points, axis=0).max() < 1e-3:
        raise InvalidInputError(
            f"{face.face_id}: points are {face.points.coordinates}; needed are five different "
            "ones: right eye, left eye, nose tip, right and left corner of the mouth"
        )
    return points


def square(pixels: Pixels, face: Face, side: int) -> Crop:
    """The square around the middle of the face's box, as wide as the box's longer side.

    Beyond the picture its border is repeated.

    Arguments:
        pixels: the picture, (height, width, 3).
        face: a face on it.
        side: the side of the result, in pixels.

    Raises:
        InvalidInputError: the box covers nothing of the picture.
    """
    left, upper, right, lower = visible(pixels, face)
    extent = max(right - left, lower - upper)
    left, upper = (left + right - extent) / 2, (upper + lower - extent) / 2
    fine = side * _OVERSAMPLING
    scale = fine / extent
    matrix = numpy.array([[scale, 0, -scale * left], [0, scale, -scale * upper]])
    warped = cv2.warpAffine(pixels, matrix, (fine, fine), borderMode=cv2.BORDER_REPLICATE)
    averaged = cv2.resize(warped, (side, side), interpolation=cv2.INTER_AREA)
    return Crop(averaged, left, upper, extent)


def visible(pixels: Pixels, face: Face) -> tuple[float, float, float, float]:
    """The part of the face's box that lies on the picture: left, upper, right and lower edge.

    Raises:
        InvalidInputError: there is none.
    """
    height, width = pixels.shape[:2]
    box = face.bbox
    left, right = max(0.0, box.x), min(float(width), box.x + box.width)
    upper, lower = max(0.0, box.y), min(float(height), box.y + box.height)
    if right <= left or lower <= upper:
        raise InvalidInputError(
            f"{face.face_id}: {box} covers nothing of the picture of {width} x {height} pixels; "
            "give the box in pixels of that picture, with a width and a height above 0"
        )
    return left, upper, right, lower

"""Faces as a detector hands them over, and the crops that the networks want."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
import cv2
import numpy
from numpy.typing import NDArray

from taskmgr_plugins import Box, InvalidInputError, On, Points

Pixels = NDArray[Any]

ALIGNED_SIDE = 256
# Crops are read this much finer than asked for and then averaged, so that a
# large face leaves no aliasing.
_OVERSAMPLING = 4

# The mean face of dlib's age and gender networks: right eye, left eye, nose tip,
# right and left corner of the mouth, in a square with a margin of 0.2 around it.
_MEAN_FACE = numpy.array(
    [[0.2256, 0.2160], [0.7548, 0.2160], [0.4901, 0.5156], [0.2541, 0.7802], [0.7261, 0.7802]]
)
_MARGIN = 0.2


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


def aligned(pixels: Pixels, face: Face) -> Pixels:
    """The face turned, scaled and shifted so that its points lie on the mean face.

    Arguments:
        pixels: the picture, (height, width, 3).
        face: a face on it.

    Returns:
        Shape (256, 256, 3).

    Raises:
        InvalidInputError: there are not five points, or they all are one.
    """
    wanted = (_MEAN_FACE + _MARGIN) / (1 + 2 * _MARGIN) * ALIGNED_SIDE
    return cv2.warpAffine(
        pixels,
        similarity(five_points(face), wanted),
        (ALIGNED_SIDE, ALIGNED_SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


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


def similarity(source: Pixels, target: Pixels) -> Pixels:
    """The rotation, scale and shift that bring points nearest to others (least squares).

    Arguments:
        source: shape (n, 2), not all the same.
        target: shape (n, 2).

    Returns:
        The affine matrix, shape (2, 3). With points as complex numbers it is
        one linear regression; S. Umeyama, IEEE PAMI 13 (1991), has the general case.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred = (source - source_mean) @ [1, 1j]
    factor = numpy.vdot(centred, (target - target_mean) @ [1, 1j]) / numpy.vdot(centred, centred)
    turn = numpy.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return numpy.column_stack([turn, target_mean - turn @ source_mean])


def square(pixels: Pixels, face: Face, margin: float, side: int) -> Pixels:
    """A square around the middle of the face's box; beyond the picture its border is repeated.

    Arguments:
        pixels: the picture, (height, width, 3).
        face: a face on it.
        margin: the square's side, as a multiple of the box's longer side.
        side: the side of the result, in pixels.

    Returns:
        Shape (side, side, 3).

    Raises:
        InvalidInputError: the box covers nothing of the picture.
    """
    left, upper, right, lower = visible(pixels, face)
    fine = side * _OVERSAMPLING
    scale = fine / (margin * max(right - left, lower - upper))
    to_middle = (fine - scale * numpy.array([left + right, upper + lower])) / 2
    matrix = numpy.array([[scale, 0, to_middle[0]], [0, scale, to_middle[1]]])
    warped = cv2.warpAffine(pixels, matrix, (fine, fine), borderMode=cv2.BORDER_REPLICATE)
    return shrunk(warped, side)


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """A square picture made smaller, each pixel the mean of those it stands for."""
    return cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)


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

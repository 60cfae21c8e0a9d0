"""Whether something grows, on a machine where measures jump: pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import combinations


def slope(values: Sequence[float]) -> float:
    """What a series grows by from one value to the next, whatever single values do.

    The median of the slopes of all pairs: H. Theil (1950), P. K. Sen, "Estimates of the
    Regression Coefficient Based on Kendall's Tau", JASA 63 (1968). Up to 29 % of the
    values may be anything.

    Arguments:
        values: at least two, taken at equal distances.
    """
    pairs = combinations(enumerate(values), 2)
    return statistics.median((high - low) / (after - at) for (at, low), (after, high) in pairs)

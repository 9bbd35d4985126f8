"""Medians, ranges and the straight line through samples of memory."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


def spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """The median with its range, as in `13.5 (13.0..15.7)`; a single value alone."""
    if len(values) == 1:
        return show(values[0])
    return f"{show(median(values))} ({show(min(values))}..{show(max(values))})"


@dataclass(frozen=True)
class Line:
    """A straight line fitted by least squares."""

    slope: float
    slope_error: float
    """Standard error of `slope`."""


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Fits a line through (x, y) points; at least three, with at least two different x."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread_x = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread_x
    residuals = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Line(slope, math.sqrt(residuals / (count - 2) / spread_x))

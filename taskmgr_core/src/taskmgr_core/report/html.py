"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

LONGEST_SIDE = 1600
_FINE_SIDE = 1000
_PICTURES = 12
_LABELS_IN_ALT = 12
_OPEN_ROWS = 60
_JPEG_QUALITY = 88
# A photograph as PNG is several times as large, a diagram as JPEG is larger or smeared.
_WORTH_PNG = 1.4

"""Cost of a model: parameters and MACs counted, time and memory measured."""

from .count import PARTS, Count, count
from .measure import Measurement, measure, peak_bytes

__all__ = ['PARTS', 'Count', 'Measurement', 'count', 'measure', 'peak_bytes']

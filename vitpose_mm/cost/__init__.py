"""What a model costs: counted from its modules, and measured."""

from .count import PARTS, Count, count
from .measure import Measurement, measure, peak_bytes

__all__ = ['PARTS', 'Count', 'Measurement', 'count', 'measure', 'peak_bytes']

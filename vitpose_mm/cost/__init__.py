"""What a model costs: counted from its modules, and measured."""

from .count import PARTS, Count, count
from .measure import Measurement, measure

__all__ = ['PARTS', 'Count', 'Measurement', 'count', 'measure']

"""The tested stack: all pins (PINS), and the versions that doctor checks (GOOD)."""

from vitpose.doctor import stack

PINS = stack.read_stack('tested')
GOOD = {name: version for name, version in PINS.items() if any(name in part.distributions for part in stack.PARTS)}
GOOD |= {'setuptools': PINS['setuptools'], 'transformers': '4.53.3', 'onedl-mmpretrain': '1.3.6'}

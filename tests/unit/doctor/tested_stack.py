"""The versions of a machine on which everything is as tested."""

from vitpose.doctor import stack

PINS = stack.tested('tested')
GOOD = {name: version for name, version in PINS.items() if any(name in part.distributions for part in stack.PARTS)}
GOOD['setuptools'] = PINS['setuptools']

"""The list of the package's modules."""

import re

from mmengine import registry
from mmengine.registry import Registry

import vitpose_mm  # noqa: F401 registers them


def test_every_registered_module_is_listed(root):
    page = (root / 'docs/modules.md').read_text('utf-8')
    found = {
        re.sub('^Checked.+Dataset$', 'Checked...Dataset', name)
        for each in vars(registry).values()
        if isinstance(each, Registry)
        for scope in (each, *each.children.values())
        for name, module in scope.module_dict.items()
        if module.__module__.startswith('vitpose_mm.')
    }
    assert len(found) > 30 and sorted(name for name in found if f'`{name}`' not in page) == []

"""Versions of installed packages."""

import numpy as np

from vitpose_base.installed import installed_versions


def test_packages_that_are_not_installed_are_left_out():
    assert installed_versions(('numpy', 'no-such-package', 'numpy')) == {'numpy': np.__version__}

"""What `vitpose` exports."""

import subprocess
import sys

import pytest

import vitpose

CODE = 'import sys; import vitpose; print(*{"numpy", "cv2", "torch", "PIL", "vitpose.predict"} & set(sys.modules))'


@pytest.mark.parametrize('name', vitpose.__all__)
def test_every_name_is_there_and_of_this_package(name):
    assert getattr(vitpose, name).__module__.startswith('vitpose.')


def test_nothing_else_is_there():
    with pytest.raises(AttributeError, match="module 'vitpose' has no attribute 'predictt'"):
        getattr(vitpose, 'predictt')  # noqa: B009


def test_importing_it_loads_the_standard_library_alone():
    assert subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True, check=True).stdout == '\n'

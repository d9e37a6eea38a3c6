"""A stand-in for `read_image` while there is none."""

import pytest

from tests.unit.predict.frames import provide_read_image


@pytest.fixture(autouse=True)
def read_image(monkeypatch):
    provide_read_image(monkeypatch)

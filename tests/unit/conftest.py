"""Fixtures that unit tests of several folders use."""

import pytest


@pytest.fixture(scope='module')
def model_files(tmp_path_factory):
    """Config and checkpoint of a model of one dataset."""
    from tests.unit.predict.tiny_models import single, write

    return write(single(), tmp_path_factory.mktemp('single'))


@pytest.fixture(scope='module')
def multi_model_files(tmp_path_factory):
    """Config and checkpoint of a model of three datasets with experts."""
    from tests.unit.predict.tiny_models import several, write

    return write(several(), tmp_path_factory.mktemp('several'))

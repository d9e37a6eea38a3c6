"""`vitpose demo`: errors that are raised before anything is rendered."""

import pytest


def test_demo_does_not_overwrite_other_files(refuses, tmp_path):
    (tmp_path / 'thesis.tex').write_text('mine')
    refuses('demo', '--out', tmp_path, message='not created by the demo')
    assert (tmp_path / 'thesis.tex').read_text() == 'mine'


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [('--train', '0', '--train 0'), ('--epochs', '0', '--epochs 0'), ('--seed', '-1', 'seed is -1')],
)
def test_bad_arguments(refuses, tmp_path, option, value, message):
    refuses('demo', '--out', tmp_path / 'd', option, value, message=message)
    assert not (tmp_path / 'd').exists()

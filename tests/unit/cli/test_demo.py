"""`vitpose demo`: errors that are raised before anything is rendered."""

from pathlib import Path

import pytest

from vitpose.cli.main import main


def test_demo_does_not_overwrite_other_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'thesis.tex').write_text('mine')
    assert main(['demo', '--out', str(tmp_path)]) == 2
    assert 'not created by the demo' in capsys.readouterr().err
    assert (tmp_path / 'thesis.tex').read_text() == 'mine'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [(['--train', '0'], '--train 0'), (['--epochs', '0'], '--epochs 0'), (['--seed', '-1'], 'seed is -1')],
)
def test_bad_arguments_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list, message: str
) -> None:
    assert main(['demo', '--out', str(tmp_path / 'd'), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'd').exists()

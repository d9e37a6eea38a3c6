"""`vitpose demo`: what it refuses before anything is rendered."""

from pathlib import Path

import pytest

from vitpose.cli.main import main


def test_demo_replaces_only_its_own(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'thesis.tex').write_text('mine')
    assert main(['demo', '--out', str(tmp_path)]) == 2
    assert 'not created by the demo' in capsys.readouterr().err
    assert (tmp_path / 'thesis.tex').read_text() == 'mine'


@pytest.mark.parametrize(
    ('words', 'told'),
    [(['--train', '0'], '--train 0'), (['--epochs', '0'], '--epochs 0'), (['--seed', '-1'], 'seed is -1')],
)
def test_demo_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture, words: list, told: str) -> None:
    assert main(['demo', '--out', str(tmp_path / 'd'), *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / 'd').exists()

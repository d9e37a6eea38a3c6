def test_demo_does_not_overwrite_other_files(refuses, tmp_path):
    (tmp_path / 'thesis.tex').write_text('mine')
    refuses('demo', '--out', tmp_path, message='not created by the demo')
    assert (tmp_path / 'thesis.tex').read_text() == 'mine'


def test_what_training_needs_is_missing_before_the_rendering(refuses, tmp_path, monkeypatch):
    monkeypatch.setattr('vitpose_base.installed.find_spec', lambda name: None if name == 'mim' else name)
    refuses('demo', '--out', tmp_path / 'd', message='training needs mim, not installed here; `vitpose doctor` says')
    assert not (tmp_path / 'd').exists()


def test_bad_arguments(refuses, tmp_path):
    for words, message in (('--train 0', '--train 0'), ('--epochs 0', '--epochs 0'), ('--seed -1', 'seed is -1')):
        refuses('demo', '--out', tmp_path / 'd', *words.split(), message=message)
    for name in ('d d', 'd,d'):
        refuses('demo', '--out', tmp_path / name, message=f'{name}: expected a path without spaces and commas')
    assert not list(tmp_path.glob('d*'))

"""The sample of `make mutants`."""

import pytest

pytest.importorskip('mutmut', reason='it makes the mutants')

CODE = '''
TABLE = ('a', 3)


def half(x: int = 2) -> float:
    """Docstring."""
    if x < 0:
        raise ValueError('negative')
    return x / 2
'''


@pytest.fixture
def files(tmp_path):
    for folder in ('layers', 'heads'):
        (tmp_path / 'vitpose_mm' / folder).mkdir(parents=True)
        (tmp_path / 'vitpose_mm' / folder / 'a.py').write_text(CODE)
    return tmp_path


def test_mutants_of_functions_and_tables_but_not_of_messages_and_annotations(files):
    from tests.mutation.mutants import sample

    mutants, total = sample(files, ['layers'], 100, seed=0)
    assert total == {'layers': len(mutants)}
    changes = {mutant.change[1:] for mutant in mutants}
    assert ('return x / 2', 'return x * 2') in changes and ('if x < 0:', 'if x <= 0:') in changes
    assert ("TABLE = ('a', 3)", "TABLE = ('a', 4)") in changes
    assert ("raise ValueError('negative')", 'raise ValueError(None)') in changes
    assert not any('NEGATIVE' in after or 'XXnegative' in after or 'Docstring' in after for _, after in changes)
    assert {mutant.lines for mutant in mutants} == {range(0), range(5, 10)}
    for mutant in mutants:
        assert mutant.code != CODE and mutant.path == 'vitpose_mm/layers/a.py'


def test_a_sample_depends_on_the_seed_but_not_on_other_lines(files):
    from tests.mutation.mutants import sample

    def keys(seed=0, number=12):
        return [mutant.key for mutant in sample(files, ['layers', 'heads'], number, seed)[0]]

    chosen = keys()
    assert chosen == keys() == keys(number=20)[:12] and len(set(chosen)) == 12
    assert chosen != keys(seed=1)
    file = files / 'vitpose_mm' / 'layers' / 'a.py'
    file.write_text('"""A docstring."""\n' + CODE)
    assert chosen == keys()

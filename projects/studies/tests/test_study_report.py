from projects.studies.study_report import measured_on, score_table, write_between_marks


def runs(*scores):
    return [dict(seed=seed, scores=[{'AP': 9.0}, {'AP': score}]) for seed, score in enumerate(scores)]


def test_gains_are_paired_and_further_columns_come_first():
    rows = {'a': runs(0.1, 0.2), 'b': runs(0.4, 0.3), 'c': runs(0.5)}
    assert score_table('row', rows, ['AP'], 'a', {'paper': {'a': '0.7', 'c': '0.8'}}) == [
        '| row | paper | seeds | AP | AP gain, paired |',
        '|---|---|---|---|---|',
        '| a | 0.7 | 2 | 0.150 ± 0.071 |  |',
        '| b |  | 2 | 0.350 ± 0.071 | +0.200 ± 0.141 |',
        '| c | 0.8 | 1 | 0.500 | +0.400 |',
    ]


def test_every_machine_is_named_once():
    records = [dict(machine=name) for name in ('one GPU', 'a CPU', 'one GPU')]
    assert measured_on(records) == 'Measured on a CPU; and on one GPU.'


def test_several_marks_of_a_page(tmp_path):
    page = tmp_path / 'README.md'
    page.write_text('top\n<!-- one -->\nold\n<!-- end -->\nmiddle\n<!-- two -->\n<!-- end -->\n')
    for mark in ('two', 'one', 'three'):
        write_between_marks(page, f'<!-- {mark} -->', [f'new {mark}'])
    assert page.read_text() == (
        'top\n<!-- one -->\n\nnew one\n<!-- end -->\nmiddle\n<!-- two -->\n\nnew two\n<!-- end -->\n'
        '<!-- three -->\n\nnew three\n<!-- end -->\n'
    )

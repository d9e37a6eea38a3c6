import re

import torch

from vitpose.runs.table import machine, markdown, minutes, print_table


def test_minutes_and_tables():
    assert [minutes(seconds) for seconds in (0, 59.6, 61, 3599.4)] == ['0:00 min', '1:00 min', '1:01 min', '59:59 min']
    rows = {'AP': '0.5', 'machine': 'a laptop'}
    assert markdown('A run', rows, ['First.', 'Second.']) == (
        '# A run\n\n|         | |\n|---------|---|\n| AP      | 0.5 |\n| machine | a laptop |\n\nFirst.\n\nSecond.\n'
    )


def test_machine_names_cores_and_torch():
    assert re.search(rf'^.+, \d+ cores, .+, Python 3\.\d+\.\d+, torch {re.escape(torch.__version__)}$', machine())


def test_names_and_values_are_printed_as_they_are(capsys):
    print_table('A run', {'AP': '0.5', 'machine': 'a [red]laptop'})
    output = capsys.readouterr().out
    assert 'A run' in output and re.search(r'AP +\S 0\.5', output) and re.search(r'machine +\S a \[red]laptop', output)

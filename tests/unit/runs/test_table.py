import re

import torch

from vitpose.runs.table import machine, markdown, minutes


def test_minutes_and_tables():
    assert [minutes(seconds) for seconds in (0, 59.6, 61, 3599.4)] == ['0:00 min', '1:00 min', '1:01 min', '59:59 min']
    rows = {'AP': '0.5', 'machine': 'a laptop'}
    assert markdown('A run', rows, ['First.', 'Second.']) == (
        '# A run\n\n|         | |\n|---------|---|\n| AP      | 0.5 |\n| machine | a laptop |\n\nFirst.\n\nSecond.\n'
    )


def test_machine_names_cores_and_torch():
    assert re.search(rf'^.+, \d+ cores, .+, Python 3\.\d+\.\d+, torch {re.escape(torch.__version__)}$', machine())

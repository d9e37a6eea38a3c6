import re

from vitpose.cli.printed_table import print_table


def test_names_and_values_are_printed_as_they_are(capsys):
    print_table('A run', {'AP': '0.5', 'machine': 'a [red]laptop'})
    output = capsys.readouterr().out
    assert 'A run' in output and re.search(r'AP +\S 0\.5', output) and re.search(r'machine +\S a \[red]laptop', output)

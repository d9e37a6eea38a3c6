import pytest

from vitpose.cli.main import main


@pytest.fixture
def refuses(capsys):
    """A function that runs a command, which must print nothing but one line on stderr with a message."""

    def run(*words, message, code=2):
        assert main([*map(str, words)]) == code
        out, err = capsys.readouterr()
        assert out == '' and message in err, err
        assert err.startswith(f'vitpose {words[0]}') and err.count('\n') == 1, err

    return run

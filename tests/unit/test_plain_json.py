from vitpose.plain_json import is_plain


def test_what_is_not_json_is_not_recorded():
    assert is_plain({'a': [1, 'x', None, 2.5, {1: True}]})
    endless = []
    for _ in range(100):
        endless = [endless, endless]
    assert not is_plain(endless) and not is_plain([object()])

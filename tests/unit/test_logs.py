import logging
import sys

from vitpose_mm.logs import log


def test_mmengines_logger_is_used_where_it_is_imported(logged):
    log('read by MMEngine', logging.WARNING)
    assert 'WARNING - read by MMEngine' in logged()


def test_pythons_logger_shows_a_line_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, 'mmengine.logging', None)
    for _ in range(2):
        log('read by Python', logging.WARNING)
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        ('vitpose_mm', 'WARNING', 'read by Python')
    ]

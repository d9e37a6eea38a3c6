import pytest

from tests.unit.models.published_files import serve


@pytest.fixture
def published(monkeypatch):
    """A server of files; downloads are allowed."""
    monkeypatch.delenv('VITPOSE_OFFLINE', raising=False)
    yield from serve()

import importlib.util
from types import SimpleNamespace

import pytest

PAGE = SimpleNamespace(file=SimpleNamespace(src_uri='measurements/demo.md'))
TEXT = 'see [tests](../../tests/coco_files.py#L1), [page](../app.md) and ![picture](../../picture.png)'


@pytest.fixture
def hooks(root):
    spec = importlib.util.spec_from_file_location('site_links', root / 'docs/site_links.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_to_the_repository_are_rewritten(hooks):
    rewritten = '[tests](https://host/owner/name/blob/main/tests/coco_files.py#L1)'
    for address, link in (('https://host/owner/name/', rewritten), ('', 'tests')):
        text = hooks.on_page_markdown(TEXT, page=PAGE, config=SimpleNamespace(repo_url=address), files=None)
        assert text == TEXT.replace('[tests](../../tests/coco_files.py#L1)', link)


def test_sources_are_copied_beside_the_pages(hooks, tmp_path):
    docs, site = tmp_path / 'docs', tmp_path / 'site'
    for folder in (docs / 'measurements', site / 'measurements'):
        folder.mkdir(parents=True)
    for name in ('index.md', 'measurements/demo.md'):
        (docs / name).write_text(name)
    hooks.on_post_build(SimpleNamespace(docs_dir=str(docs), site_dir=str(site)))
    assert (site / 'measurements/demo.md').read_text() == 'measurements/demo.md'

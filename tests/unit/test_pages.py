"""The documentation: links, names and paths exist; site, llms.txt and the table of folders are complete."""

import importlib
import re

import pytest

FOLDERS = ('.', 'docs', 'docs/*', 'configs', 'projects/*')


@pytest.fixture
def pages(root):
    return [page for folder in FOLDERS for page in root.glob(f'{folder}/*.md')]


def test_relative_links_and_paths_exist(root, pages):
    assert len(pages) > 9
    link = r'\]\(([^)#:]+)(?:#[^)]*)?\)'
    links = [(page, target) for page in pages for target in re.findall(link, page.read_text('utf-8'))]
    path, contributing = r'`((?:vitpose|vitpose_mm|configs|tests)/[\w/.-]+)`', root / 'CONTRIBUTING.md'
    named = re.findall(path, contributing.read_text('utf-8'))
    assert len(links) > 50 and len(named) > 9
    missing = [(page.name, link) for page, link in links if not (page.parent / link).exists()]
    missing += [('CONTRIBUTING.md', name) for name in named if 'NAME' not in name and not (root / name).exists()]
    assert missing == []


def test_no_page_has_marks_of_a_merge(pages):
    marked = [page.name for page in pages if re.search(r'^(<{7}|={7}$|>{7})', page.read_text('utf-8'), re.MULTILINE)]
    assert marked == []


def test_layout_table_names_every_folder(root):
    layout = set(re.findall(r'^\| `([\w/]+)/` \|', (root / 'docs/architecture.md').read_text('utf-8'), re.MULTILINE))
    packages = {str(init.parent.relative_to(root)) for init in root.glob('vitpose*/*/__init__.py')}
    top = 'vitpose vitpose_base vitpose_mm configs docs projects requirements tests'
    assert layout == packages | set(top.split())


def test_navigation_and_llms_txt_list_every_page(root):
    docs = {page.relative_to(root / 'docs').as_posix() for page in (root / 'docs').rglob('*.md')}
    navigation = re.findall(r'^ +- ([\w/]+\.md)$', (root / 'mkdocs.yml').read_text('utf-8'), re.MULTILINE)
    index = re.findall(r'^- \[.*?\]\((.*?)\)', (root / 'docs/llms.txt').read_text('utf-8'), re.MULTILINE)
    assert set(navigation) == set(index) == docs
    assert len(navigation) == len(index) == len(docs)


def test_names_in_the_api_reference_exist(root):
    names = re.findall(r'^::: ([\w.]+)$', (root / 'docs/api.md').read_text('utf-8'), re.MULTILINE)
    assert len(names) > 9
    for name in names:
        module, _, attribute = name.rpartition('.')
        assert hasattr(importlib.import_module(module), attribute) or importlib.import_module(name)


def test_readme_fits_on_a_few_screens(root):
    assert len((root / 'README.md').read_text('utf-8').splitlines()) <= 130

"""The documentation: links and CONTRIBUTING's paths exist, and the README's layout table names every folder."""

import re


def test_relative_links_and_paths_exist(root):
    pages = [page for folder in ('.', 'docs', 'configs', 'projects/*') for page in root.glob(f'{folder}/*.md')]
    assert len(pages) > 9
    links = [
        (page, link) for page in pages for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', page.read_text('utf-8'))
    ]
    named = re.findall(
        r'`((?:vitpose|vitpose_mm|configs|tests)/[\w/.-]+)`', (root / 'CONTRIBUTING.md').read_text('utf-8')
    )
    assert len(links) > 50 and len(named) > 9
    missing = [(page.name, link) for page, link in links if not (page.parent / link).exists()]
    missing += [('CONTRIBUTING.md', name) for name in named if 'NAME' not in name and not (root / name).exists()]
    assert missing == []


def test_no_page_has_marks_of_a_merge(root):
    pages = [page for folder in ('.', 'docs', 'configs', 'projects/*') for page in root.glob(f'{folder}/*.md')]
    marked = [page.name for page in pages if re.search(r'^(<{7}|={7}$|>{7})', page.read_text('utf-8'), re.MULTILINE)]
    assert marked == []


def test_layout_table_names_every_folder(root):
    layout = set(re.findall(r'^\| `([\w/]+)/` \|', (root / 'README.md').read_text('utf-8'), re.MULTILINE))
    packages = {
        str(init.parent.relative_to(root))
        for top in ('vitpose', 'vitpose_mm')
        for init in root.glob(f'{top}/*/__init__.py')
    }
    assert layout == packages | {'vitpose', 'vitpose_mm', 'configs', 'docs', 'projects', 'requirements', 'tests'}

"""Hooks of MkDocs: links out of docs/ lead into the repository, and llms.txt finds the pages' sources."""

import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

_LINK = re.compile(r'(?<!!)\[([^\]]+)\]\((\.\./[^)\s]+)\)')


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Turn a link to a file outside docs/ into one to the repository, or into plain text if its address is not set."""
    folder = posixpath.join('docs', posixpath.dirname(page.file.src_uri))

    def replace(link: re.Match) -> str:
        path, _, anchor = link[2].partition('#')
        path = posixpath.normpath(posixpath.join(folder, path))
        if path.startswith('docs/'):
            return link[0]
        if not config.repo_url:
            return link[1]
        return f'[{link[1]}]({config.repo_url.rstrip("/")}/blob/main/{path}{"#" * bool(anchor)}{anchor})'

    return _LINK.sub(replace, markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Copy the pages' sources beside the pages; llms.txt links to them."""
    docs, site = Path(config.docs_dir), Path(config.site_dir)
    for page in docs.rglob('*.md'):
        shutil.copy(page, site / page.relative_to(docs))

"""A page after its scripts ran in headless Chromium."""

import shutil
import subprocess

import pytest

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')
needs_browser = pytest.mark.skipif(BROWSER is None, reason='needs Chromium: apt-get install chromium')


def dump(page, profile):
    """Return the HTML of a page; `profile` is an empty folder for the browser's files."""
    options = ['--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={profile}']
    command = [BROWSER, *options, '--virtual-time-budget=5000', '--dump-dom', page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

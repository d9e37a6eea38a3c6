import importlib.util
import os
import shutil

import pytest


@pytest.fixture(scope='module')
def model_files(tmp_path_factory):
    """Config and checkpoint of a model of one dataset."""
    from tests.unit.predict.tiny_models import single, write

    return write(single(), tmp_path_factory.mktemp('single'))


@pytest.fixture(scope='module')
def multi_model_files(tmp_path_factory):
    """Config and checkpoint of a model of three datasets with experts."""
    from tests.unit.predict.tiny_models import several, write

    return write(several(), tmp_path_factory.mktemp('several'))


@pytest.fixture(scope='module')
def chromium():
    """Headless Chromium, driven by Playwright; in `.ci/run`, which sets NEED_BROWSER, a missing one is a failure."""
    path = shutil.which('chromium') or shutil.which('google-chrome')
    if not (path and importlib.util.find_spec('playwright')):
        (pytest.fail if 'NEED_BROWSER' in os.environ else pytest.skip)('needs Chromium: apt-get install chromium')
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=path, args=['--no-sandbox']) as chromium:
            yield chromium


@pytest.fixture
def browser(chromium):
    """A context, whose cookies, storage and pages end with the test."""
    with chromium.new_context() as context:
        context.set_default_timeout(180_000)  # a loaded machine takes long to start a page
        yield context

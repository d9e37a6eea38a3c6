"""Headless Chromium under the control of a test, through the Chrome DevTools Protocol on two pipes."""

import json
import shutil
import subprocess
import time

import pytest

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')
needs_browser = pytest.mark.skipif(BROWSER is None, reason='needs Chromium: apt-get install chromium')


class Chromium:
    """A page of a browser, whose files are in the empty folder `profile`; `requested` has the addresses it requests."""

    def __init__(self, address, profile):
        options = ['--headless', '--no-sandbox', '--disable-gpu', '--window-size=1280,860', '--remote-debugging-pipe']
        command = [BROWSER, *options, '--no-proxy-server', f'--user-data-dir={profile}']
        shell = [
            'bash',
            '-c',
            'exec "$@" 3<&0 4>&1 </dev/null >/dev/null',
            '-',
        ]  # the protocol's descriptors are 3 and 4
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._process = subprocess.Popen([*shell, *command], **pipes)
        self._count, self._session, self.requested = 0, {}, []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        self._session = {'sessionId': session}
        for domain in ('Network', 'Page', 'DOM', 'Runtime'):
            self.call(f'{domain}.enable')
        self.call('Page.navigate', url=address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def call(self, method, **parameters):
        """Call a method of the protocol and return its result; requests that are reported meanwhile are kept."""
        self._count += 1
        message = dict(id=self._count, method=method, params=parameters, **self._session)
        self._process.stdin.write(json.dumps(message).encode() + b'\0')
        self._process.stdin.flush()
        while (answer := self._read()).get('id') != self._count:
            if answer.get('method') == 'Network.requestWillBeSent':
                self.requested.append(answer['params']['request']['url'])
        assert 'error' not in answer, answer
        return answer['result']

    def run(self, script):
        """Run a script and return its value."""
        result = self.call('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in result, result
        return result['result'].get('value')

    def wait(self, script, seconds=60):
        """Wait until a script's value is true in JavaScript, and return it."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            text = f'not true after {seconds} s: {script}\n'
            assert time.monotonic() < end, text + self.run('document.body.innerText')
            time.sleep(0.1)
        return value

    def settle(self, seconds=1):
        """Wait until the page requests nothing any more: its scripts are loaded."""
        count = -1
        while count < len(self.requested):
            count = len(self.requested)
            time.sleep(seconds)
            self.run('0')

    def drop(self, selector, file):
        """Drag a file from outside and drop it on an element."""
        for kind in ('dragEnter', 'dragOver', 'drop'):
            data = dict(items=[], files=[str(file)], dragOperationsMask=1)
            self.call('Input.dispatchDragEvent', type=kind, data=data, **self._place(selector, 0.5, 0.5))

    def click(self, selector, x=0.5, y=0.5):
        """Click on an element, at a place in parts of its width and height."""
        for kind in ('mousePressed', 'mouseReleased'):
            place = self._place(selector, x, y)
            self.call('Input.dispatchMouseEvent', type=kind, button='left', clickCount=1, **place)

    def _place(self, selector, x, y):
        element = f'document.querySelector({json.dumps(selector)})'
        self.run(f"{element}.scrollIntoView({{block: 'nearest'}})")
        box = self.run(f'{element}.getBoundingClientRect().toJSON()')
        return dict(x=box['x'] + x * box['width'], y=box['y'] + y * box['height'])

    def _read(self):
        parts = bytearray()
        while (byte := self._process.stdout.read(1)) != b'\0':
            assert byte, 'the browser ended'
            parts += byte
        return json.loads(parts)

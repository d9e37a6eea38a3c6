"""Headless Chromium under the control of a test, through the Chrome DevTools Protocol on two pipes."""

import json
import subprocess
import time

from tests.unit.predict.browser import BROWSER


class Chromium:
    """One page of a browser.

    Args:
        address: Of the page.
        profile: An empty folder for the browser's files.

    Attributes:
        requested: The addresses of all requests of the page.
    """

    def __init__(self, address, profile):
        options = ['--headless', '--no-sandbox', '--disable-gpu', '--window-size=1280,860', '--remote-debugging-pipe']
        command = [BROWSER, *options, '--no-proxy-server', f'--user-data-dir={profile}']
        self._process = subprocess.Popen(  # the protocol reads from descriptor 3 and writes to 4
            ['bash', '-c', 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', '-', *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._count, self._session, self.requested = 0, None, []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Network', 'Page', 'DOM', 'Runtime'):
            self.call(f'{domain}.enable')
        self.call('Page.navigate', url=address)

    def close(self):
        self._process.kill()
        self._process.communicate()

    def call(self, method, **parameters):
        """Call a method of the protocol and return its result; requests that are reported meanwhile are kept."""
        self._count += 1
        session = {'sessionId': self._session} if self._session else {}
        message = dict(id=self._count, method=method, params=parameters, **session)
        self._process.stdin.write(json.dumps(message).encode() + b'\0')
        self._process.stdin.flush()
        while True:
            answer = self._read()
            if answer.get('method') == 'Network.requestWillBeSent':
                self.requested.append(answer['params']['request']['url'])
            if answer.get('id') == self._count:
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
            assert time.monotonic() < end, (
                f'not true after {seconds} s: {script}\n{self.run("document.body.innerText")}'
            )
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
        script = f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: 'nearest'}});
            return element.getBoundingClientRect().toJSON();
        }})()"""
        box = self.run(script)
        return dict(x=box['x'] + x * box['width'], y=box['y'] + y * box['height'])

    def _read(self):
        parts = bytearray()
        while (byte := self._process.stdout.read(1)) != b'\0':
            assert byte, 'the browser ended'
            parts += byte
        return json.loads(parts)

"""A running `pregao up`: what it said, its processes, and waiting for what is to come of it."""
import json
import pathlib
import signal
import subprocess
import threading
import time

import pytest

ROLES = {'scheduler', 'scraper', 'activator', 'job', 'collector', 'delivery', 'backup', 'alarms', 'web'}


class Up:
    """A running `up`, and what it said so far."""

    def __init__(self, pregao, *args, **kw):
        self.process = pregao.start('up', '--format', 'json', *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        self.events = []
        self.errors = []
        self.readers = [threading.Thread(target=self.read), threading.Thread(target=self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith('{'):
                self.events.append(json.loads(line))

    def read_errors(self):
        self.errors += self.process.stderr

    def wait(self, fits, seconds=20):
        """The first event that fits."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for event in list(self.events):
                if fits(event):
                    return event
            assert self.process.poll() is None or time.monotonic() < until - seconds + 1, self.said()
            time.sleep(0.02)
        pytest.fail(f'it never came\n{self.said()}')

    def said(self):
        return '\n'.join(map(str, self.events)) + ''.join(self.errors)

    def pids(self):
        """The process of each role that runs."""
        running = {}
        for e in list(self.events):
            if e['event'] == 'started':
                running[e['role']] = e['pid']
            elif e['event'] == 'ended' and running.get(e['role']) == e['pid']:
                del running[e['role']]
        return running

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        for reader in self.readers:
            reader.join(10)
        return code


def lives(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().split(')')[-1].split()[0] != 'Z'
    except OSError:
        return False


def eventually(what, seconds=30):
    until = time.monotonic() + seconds
    while True:
        try:
            found = what()
        except AssertionError:
            found = None
        if found or time.monotonic() > until:
            return found
        time.sleep(0.2)


def of_lake(lake):
    """The processes whose command line names the lake."""
    found = {}
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = path.read_bytes().split(b'\0')
        except OSError:
            continue
        if str(lake).encode() in words and lives(int(path.parent.name)):
            found[int(path.parent.name)] = b' '.join(words).decode()
    return found

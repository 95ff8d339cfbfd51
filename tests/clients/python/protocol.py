"""The protocol between the driver and a client program: README.md beside the crate says what each command means."""

import json
import sys
import threading

_lock = threading.Lock()


def say(**line):
    """Writes one line; members' threads and the main thread take turns."""
    text = json.dumps(line)
    with _lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def to_hex(value):
    return None if value is None else bytes(value).hex()


def from_hex(digits):
    return None if digits is None else bytes.fromhex(digits)


def headers_of(record):
    return [(name, from_hex(value)) for name, value in record["headers"]]


def serve(client):
    """Answers commands with the methods of `client` until the input ends."""
    for line in sys.stdin:
        command = json.loads(line)
        number, op = command.pop("id"), command.pop("op")
        try:
            say(id=number, ok=getattr(client, op)(**command))
        except Exception as error:  # the driver shows whatever went wrong
            say(id=number, error=f"{type(error).__name__}: {error}")


class Member(threading.Thread):
    """A consumer in a group. `step` polls, commits and answers what it read; a record is told after its commit."""

    def __init__(self, name, close):
        super().__init__(daemon=True)
        self.member, self._close, self._stop_it = name, close, threading.Event()
        self.step = None

    def assigned(self, partitions):
        say(event="assigned", member=self.member, partitions=sorted(partitions))

    def run(self):
        try:
            while not self._stop_it.is_set():
                for partition, offset, value in self.step():
                    say(event="record", member=self.member, partition=partition, offset=offset, value=to_hex(value))
            self._close()
        except Exception as error:
            say(event="failed", member=self.member, error=f"{type(error).__name__}: {error}")

    def leave(self):
        self._stop_it.set()
        self.join()

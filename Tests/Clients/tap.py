"""Stands between a client library and a server on standard input and output, and keeps what both say.

    tap.py REPORT TRANSCRIPT SOURCE COMMAND…

TRANSCRIPT is a file, or empty for none. REPORT is written when the server has ended: a JSON object with `exit`, its
exit code, negative for a signal; `seconds` from the end of its input to its own end, or null when its input did not end;
and `strangers`, the lines of its output that are no messages.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from messages import as_message, parsed
from transcript import Channel, Transcript


class Lines:
    """Cuts bytes into lines, and hands each to a function as soon as it is whole."""

    def __init__(self, each):
        self.each, self.rest = each, b""

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.each(line)

    def end(self):
        """What was said last has no end."""
        if self.rest:
            self.each(self.rest)


def main(report_path, transcript_path, source, *command):
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    channel = Channel(Transcript(transcript_path or None, source))
    strangers = []
    ended = []

    def hear(line):
        message = as_message(parsed(line))
        if message is None:
            strangers.append(line[:200].decode("utf-8", "replace"))
        else:
            channel.received(message)

    def forward(source, sink, lines):
        while data := os.read(source, 65_536):
            lines.feed(data)  # before it is forwarded, so that a request is known before its answer comes
            while data:
                data = data[os.write(sink, data) :]

    def input_to_server():
        lines = Lines(lambda line: channel.sent(parsed(line)))
        try:
            forward(0, server.stdin.fileno(), lines)
        except BrokenPipeError:
            return
        ended.append(time.monotonic())
        server.stdin.close()

    def stop(*_):
        server.terminate()

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=input_to_server, daemon=True).start()
    lines = Lines(hear)
    try:
        forward(server.stdout.fileno(), 1, lines)
    except BrokenPipeError:
        server.stdout.close()
    lines.end()
    code = server.wait()
    seconds = time.monotonic() - ended[0] if ended else None
    temporary = f"{report_path}.part"
    with open(temporary, "w") as file:
        json.dump({"exit": code, "seconds": seconds, "strangers": strangers}, file)
    os.replace(temporary, report_path)
    os._exit(code if code >= 0 else 128 - code)  # the other thread may still wait for input


if __name__ == "__main__":
    main(*sys.argv[1:])

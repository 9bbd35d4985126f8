"""Takes as much memory as it is asked to."""

import os
import signal
import subprocess
import sys

from lines import Server

server = Server("eater")
eaten = []


@server.tool
def eat(call, mebibytes=1):
    """Takes memory, and keeps it."""
    for _ in range(mebibytes):
        eaten.append(os.urandom(1 << 12) * 256)
    return len(eaten)


@server.tool
def let_eat(call, mebibytes=1):
    """Lets processes of its own take memory, each a part of it that would be allowed to one."""
    program = "import os, sys; k = [os.urandom(1 << 12) * 256 for _ in range(40)]; print(flush=True); sys.stdin.read()"
    guests = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(mebibytes // 40)
    ]
    for guest in guests:
        if not guest.stdout.readline():
            signal.pause()  # the kernel has ended one of the family; the rest goes in a moment, and this with it
    return len(guests)


@server.tool
def hello(call):
    """Tells its process."""
    return os.getpid()


server.run()

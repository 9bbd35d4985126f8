"""A counter in a file of the server's folder, and what a process can tell of itself.

    keeper.py [--at-signal | --at-end] [--modern]

Saves at each change; with `--at-signal` when it is told to end (SIGTERM) and not before, with `--at-end` when its input
ends: then it takes its time, and a signal ends it as it ends any program.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from lines import LEGACY, MODERN, Server

server = Server("keeper", MODERN if "--modern" in sys.argv else LEGACY)
saves_late = "--at-signal" in sys.argv or "--at-end" in sys.argv
path = pathlib.Path(os.environ["TORPOR_STATE_DIR"]) / "deep" / "counter"
count = int(path.read_text()) if path.exists() else 0
changing = threading.Lock()


def save():
    path.parent.mkdir(exist_ok=True)
    path.write_text(str(count))


def end_at_signal():
    signal.sigwait({signal.SIGTERM})
    save()
    os._exit(0)


@server.tool
def increment(call, by=1):
    """Adds to the counter, and tells it."""
    global count
    with changing:
        count += by
        if not saves_late:
            save()
        return count


@server.tool
def fail(call, message="no luck"):
    """Fails."""
    return {
        "content": [{"type": "text", "text": message}],
        "structuredContent": {"why": message},
        "isError": True,
        "_meta": {"example.com/kept": [1, 2.5, "ü"]},
    }


@server.tool
def about(call):
    """Tells of the process."""
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return json.dumps(
        {
            "pid": os.getpid(),
            "folder": os.getcwd(),
            "environment": sorted(os.environ),
            "descriptors": sorted(os.readlink(link) for link in links if os.path.exists(link)),
            "group": os.getpgid(0),
            "session": os.getsid(0),
            "status": pathlib.Path("/proc/self/status").read_text(),
            "client": server.client,
        }
    )


@server.tool
def family(call):
    """Starts processes of every kind, and tells their numbers."""
    wait = [sys.executable, "-c", "import signal; signal.pause()"]
    deaf = [sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"]
    child = subprocess.Popen(wait)
    # Deaf to SIGTERM, in a session of its own, and with nothing of its parent's in its environment.
    stranger = subprocess.Popen(deaf, start_new_session=True, env={}, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    stranger.stdout.readline()
    # Twice forked: nobody's child any more.
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            os.execv(wait[0], wait)
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.wait()
    return json.dumps([os.getpid(), child.pid, stranger.pid, int(os.read(reader, 20))])


if "--at-signal" in sys.argv:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    waiting = threading.Thread(target=end_at_signal)
    waiting.start()
server.run()
if "--at-end" in sys.argv:
    time.sleep(0.3)
    save()

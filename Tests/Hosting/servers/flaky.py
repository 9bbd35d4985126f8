"""Does not start while FILE is there.

    flaky.py FILE
"""

import os
import pathlib
import sys

from lines import Server

if pathlib.Path(sys.argv[1]).exists():
    sys.exit("flaky: cannot reach the database of dreams")

server = Server("flaky")


@server.tool
def hello(call):
    """Tells its process."""
    return os.getpid()


server.run()

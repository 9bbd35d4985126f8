#!/usr/bin/env python3
"""Trials of `torpor serve -- COMMAND…` with small servers, good and bad ones, and no client library.

    hosting.py [--full] [BINARY] [WORD…]

BINARY is `.build/debug/torpor` unless named; with words only the trials run whose names hold one of them. `--full`
repeats what is repeated more often.
"""

import argparse
import itertools
import pathlib
import signal
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "Clients"))

import harness
import transcript as transcripts

import eras
import faults
import life
from hosted import Hosts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("binary", nargs="?", default=".build/debug/torpor")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    binary = pathlib.Path(options.binary)
    if not binary.exists():
        print(f"FAIL hosting: there is no {binary}")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    hosts = Hosts(str(binary.resolve()), transcripts.from_environment("hosting"))
    faults.repetitions = 100 if options.full else 10
    each = itertools.chain(
        life.trials.bound("hosting", hosts), faults.trials.bound("hosting", hosts), eras.trials.bound("hosting", hosts)
    )
    chosen = [
        (name, trial) for name, trial in each if not options.words or any(word in name for word in options.words)
    ]
    return 1 if harness.run(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())

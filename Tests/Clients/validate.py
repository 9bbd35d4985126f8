"""Holds every message of a transcript against the schema of its revision, and against the rules no schema can tell.

    validate.py TRANSCRIPT… [--schemas DIR]     validate; exit 1 when anything is wrong or nothing was recorded
    validate.py --self-test [--schemas DIR]     show that faults are found: each hand-made one must be

The transcript's format is described in `transcript.py`, the rules are in `rules.py`. Schemas are the official ones, one
file a revision; without `--schemas` they are looked for as `shared/protocol/schema` in the folders above this one.
Without them both forms print a `skip` line with the reason and exit 0.

A finding is one line, `FAIL FILE:LINE [rule]: what is wrong`. The last line counts what was validated by revision.
"""

import argparse
import collections
import json
import pathlib
import sys

import validate_self_test
from messages import parsed
from rules import Finding, Schemas, check_exchange


def validate(schemas, paths):
    """Validates transcripts, prints what it finds, and returns the number of findings."""
    findings, counts = 0, collections.Counter()
    for path in paths:
        texts = lines_of(path)
        cancelled = {key for text in texts if (key := cancellation_in(parsed(text)))}
        for number, text in enumerate(texts, 1):
            source = ""
            try:
                try:
                    line = json.loads(text)
                except ValueError as error:
                    raise Finding("the transcript is well-formed", f"not JSON: {error}") from error
                if cancelled and key_of(line, lambda request: request.get("id")) in cancelled:
                    line["cancelled"] = True
                if isinstance(line, dict) and "source" in line:
                    source = f" ({line['source']})"
                messages = check_exchange(schemas, line)
                counts[line["revision"]] += messages
            except Finding as finding:
                findings += 1
                print(f"FAIL {path}:{number}{source} [{finding.rule}]: {finding}")
                print(f"     {text[:600]}")
    if not counts.total():
        findings += 1
        print("FAIL transcripts: they hold no message of a server")
    counted = ", ".join(f"{counts[revision]} messages of {revision}" for revision in sorted(counts))
    print(f"{'validated' if findings else 'ok transcripts: validated'} {counted}")
    return findings


def cancellation_in(line):
    """What a line's request cancels, as `key_of` names it, or `None`."""
    request = line.get("request") if isinstance(line, dict) else None
    if not isinstance(request, dict) or request.get("method") != "notifications/cancelled":
        return None
    return key_of(line, lambda request: request["params"].get("requestId"))


def key_of(line, id_of):
    """Names a request of a legacy session: the session, and the id with its type; `None` without a session."""
    request = line.get("request") if isinstance(line, dict) else None
    session = line["headers"].get("mcp-session-id") if isinstance(request, dict) and "headers" in line else None
    if session is None:
        return None
    return session, type(id_of(request)), id_of(request)


def lines_of(path):
    """The lines of a file. They end at line feeds alone: JSON may hold other line separators as they are."""
    data = pathlib.Path(path).read_bytes().decode("utf-8", "replace")
    return [line for line in data.split("\n") if line]


def find_schemas():
    """The folder of the schemas above this file, or `None`."""
    for folder in pathlib.Path(__file__).resolve().parents:
        candidate = folder / "shared" / "protocol" / "schema"
        if candidate.is_dir():
            return candidate
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("transcripts", nargs="*", metavar="TRANSCRIPT")
    parser.add_argument("--schemas", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    folder = options.schemas or find_schemas()
    if folder is None:
        print("skip validation: no folder shared/protocol/schema above " + str(pathlib.Path(__file__).resolve().parent))
        return 0
    schemas = Schemas(folder)
    if options.self_test:
        return validate_self_test.run(schemas)
    if not options.transcripts:
        parser.error("name a transcript, or --self-test")
    return 1 if validate(schemas, options.transcripts) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Reads event streams (HTML, server-sent events), as they come or as a whole."""

import typing

from messages import as_message, parsed


class Event(typing.NamedTuple):
    """The fields of one event. `data` is `None` when there was none, and empty when it was there without a text."""

    id: str | None = None
    kind: str | None = None
    data: str | None = None
    retry: int | None = None

    @property
    def message(self):
        """The JSON-RPC message or batch that the event carries, or `None`."""
        return as_message(parsed(self.data)) if self.data else None


class EventParser:
    """Makes events of bytes. Unlike a browser it also returns events without data, and it knows comments."""

    def __init__(self):
        self.comments = 0
        self._rest = b""
        self._fields = []

    def feed(self, data):
        """The events that `data` completes. What follows the last empty line waits for more."""
        # A carriage return at the end may be half of a line end.
        lines = (self._rest + data).replace(b"\r\n", b"\n")
        held = b"\r" if lines.endswith(b"\r") else b""
        *lines, rest = lines.removesuffix(held).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        return [event for event in map(self._line, lines) if event is not None]

    def _line(self, line):
        if line.startswith(b":"):
            self.comments += 1
        elif line:
            name, _, value = line.decode("utf-8", "replace").partition(":")
            self._fields.append((name, value.removeprefix(" ")))
        elif self._fields:
            event, self._fields = event_of(self._fields), []
            return event
        return None


def event_of(fields):
    """The event of its fields; unknown ones are ignored."""
    last = dict(fields)
    data = [value for name, value in fields if name == "data"]
    return Event(
        id=last.get("id"),
        kind=last.get("event"),
        data="\n".join(data) if data else None,
        retry=int(last["retry"]) if last.get("retry", "").isdigit() else None,
    )


def events_of(data):
    """The complete events of an event stream."""
    return EventParser().feed(data)


def is_event_stream(headers):
    """Whether headers, with their names in lower case, announce an event stream."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream"

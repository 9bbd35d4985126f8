"""Tells JSON-RPC messages from other bytes."""

import json


def parsed(data):
    """The JSON value that `data` (bytes or text) is, or `None` when it is none."""
    try:
        return json.loads(data)
    except ValueError:
        return None


def as_message(value):
    """`value` when it has the shape of a JSON-RPC message or batch, else `None`."""
    items = value if isinstance(value, list) and value else [value]
    return value if all(isinstance(item, dict) and "jsonrpc" in item for item in items) else None


def is_response(message):
    """Whether a message answers a request."""
    return isinstance(message, dict) and "method" not in message and ("result" in message or "error" in message)

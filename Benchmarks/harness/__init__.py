"""What `bench.py` is made of: servers, load, and one module per measurement."""


class BenchmarkError(Exception):
    """The run cannot be trusted or cannot go on; the message says why."""

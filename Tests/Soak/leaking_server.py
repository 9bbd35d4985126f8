"""A server on the official Python SDK 1.x, as its own documentation shows it: sessions over streamable HTTP.

What it keeps of a session goes with DELETE alone.
"""

import sys

from mcp.server.fastmcp import FastMCP

server = FastMCP("python-sdk", host="127.0.0.1", port=int(sys.argv[1]), log_level="ERROR")


@server.tool()
def echo(message: str) -> str:
    """Answers the message."""
    return message


server.run(transport="streamable-http")

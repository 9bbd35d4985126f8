"""An echo server on PyPI `mcp` 2.x, the peer that `bench.py cpu` measures beside Torpor.

Usage: python mcp_echo.py PORT [--sessions]

It serves streamable HTTP on 127.0.0.1 at /mcp, both protocol eras, and answers with JSON bodies, not event streams.
Without `--sessions` the sessions era is served statelessly. The tools are coroutines without structured output: the
cheapest kind this library has (a plain function would be run on a thread).
"""

import argparse

from mcp.server.mcpserver import MCPServer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("port", type=int)
parser.add_argument("--sessions", action="store_true", help="keep sessions for clients of the sessions era")
arguments = parser.parse_args()

# At WARNING the access log is off too.
server = MCPServer("echo", version="1.0.0", log_level="WARNING")


@server.tool(structured_output=False)
async def echo(message: str) -> str:
    """Returns its message."""
    return message


@server.tool(structured_output=False)
async def echo_async(message: str) -> str:
    """Returns its message, under the name that Torpor's benchmark server gives its second echo tool."""
    return message


server.run(
    "streamable-http",
    host="127.0.0.1",
    port=arguments.port,
    json_response=True,
    stateless_http=not arguments.sessions,
)

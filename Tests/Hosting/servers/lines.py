"""MCP over standard input and output in a few lines: what the servers of the trials have in common.

A `Server` speaks one revision, of either era, and nothing else. Each tool call runs on a thread of its own, so that it
may ask, wait and be cancelled.
"""

import inspect
import itertools
import json
import os
import sys
import threading

LEGACY, MODERN = "2025-06-18", "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class Fault(Exception):
    """A JSON-RPC error: what a request is answered, or what the client answered a question."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Cancelled(Exception):
    """The client has taken the request back; it is not answered."""


class Call:
    """A tool call under way."""

    def __init__(self, server, id, params):
        self.server, self.id, self.params = server, id, params
        self.meta = params.get("_meta", {})
        self.is_cancelled = threading.Event()

    @property
    def answers(self):
        """Of a modern request that goes on with an earlier one: what the client answered."""
        return self.params.get("inputResponses", {})

    def progress(self, progress, total=None, message=None):
        """Says how far the call has come, if the client wants to know."""
        if "progressToken" in self.meta:
            params = {"progressToken": self.meta["progressToken"], "progress": progress}
            params |= {} if total is None else {"total": total}
            self.server.notify("notifications/progress", params | ({} if message is None else {"message": message}))

    def log(self, level, data):
        """Says something, if the client wants messages of that level."""
        least = self.meta.get(PREFIX + "logLevel") if self.server.is_modern else self.server.level
        if least is not None and LEVELS.index(level) >= LEVELS.index(least):
            self.server.notify("notifications/message", {"level": level, "logger": "trial", "data": data})

    def ask(self, method, params=None):
        """Of a legacy server: the client's answer to a request."""
        return self.server.ask(method, params)


class Server:
    """Serves until its input ends. Tools are registered with `tool`, other methods by putting them into `methods`."""

    def __init__(self, name, revision=LEGACY, capabilities=None):
        self.name, self.revision = name, revision
        self.capabilities = {"tools": {}} | (capabilities or {})
        self.tools, self.methods = {}, {}
        self.level = None if self.is_modern else "info"
        self.client = {}  # what the client of a legacy server said that it can do
        self.cancelled_count = 0
        self.listens = {}  # filters of a modern server's streams, by the request that opened them
        self._calls, self._answers = {}, {}
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()

    @property
    def is_modern(self):
        return self.revision == MODERN

    def tool(self, function):
        """Registers a tool: its parameters after the call are its arguments, its first line of text its description."""
        self.tools[function.__name__] = function
        return function

    # What is said

    def write(self, data):
        """Writes bytes, whatever they are."""
        with self._writing:
            os.write(1, data) if len(data) < 4_096 else self._write_all(data)

    @staticmethod
    def _write_all(data):
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def send(self, message):
        self.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")

    def notify(self, method, params=None):
        self.send({"method": method} | ({} if params is None else {"params": params}))

    def tell(self, method, wish, params=None):
        """Tells of a change: a modern server on the streams whose filters wish for it."""
        if not self.is_modern:
            return self.notify(method, params)
        for id, filter in list(self.listens.items()):
            if wish(filter):
                self.notify(method, (params or {}) | {"_meta": {PREFIX + "subscriptionId": id}})

    def ask(self, method, params=None):
        id = f"{self.name}-{next(self._numbers)}"
        answered = threading.Event()
        self._answers[id] = [answered, None]
        self.send({"id": id, "method": method} | ({} if params is None else {"params": params}))
        answered.wait()
        message = self._answers.pop(id)[1]
        if "error" in message:
            raise Fault(message["error"]["code"], message["error"]["message"])
        return message["result"]

    # What is heard

    def run(self):
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "method" not in message:
                entry = self._answers.get(message["id"])
                if entry:
                    entry[1] = message
                    entry[0].set()
            elif "id" not in message:
                self._heard(message["method"], message.get("params", {}))
            elif message["method"] == "tools/call":
                call = Call(self, message["id"], message.get("params", {}))
                self._calls[call.id] = call
                threading.Thread(target=self._answer, args=(call.id, self._run_tool, call), daemon=True).start()
            else:
                self._answer(message["id"], self._handle, message["id"], message["method"], message.get("params", {}))

    def _heard(self, method, params):
        if method == "notifications/cancelled":
            self.listens.pop(params["requestId"], None)
            call = self._calls.get(params["requestId"])
            if call:
                self.cancelled_count += 1
                call.is_cancelled.set()

    def _answer(self, id, function, *arguments):
        try:
            result = function(*arguments)
        except Fault as fault:
            self.send({"id": id, "error": {"code": fault.code, "message": str(fault)}})
        except Cancelled:
            pass
        except Exception as error:  # a tool may fail in any way
            self.send({"id": id, "error": {"code": INTERNAL_ERROR, "message": f"{type(error).__name__}: {error}"}})
        else:
            if result is not None:
                self.send({"id": id, "result": self._complete(result)})
        finally:
            self._calls.pop(id, None)

    def _complete(self, result):
        if not self.is_modern:
            return result
        meta = {PREFIX + "serverInfo": self.info} | result.get("_meta", {})
        return {"resultType": "complete"} | result | {"_meta": meta}

    @property
    def info(self):
        return {"name": self.name, "version": "1"}

    def _handle(self, id, method, params):
        if method in self.methods:
            return self.methods[method](params)
        if method == "tools/list":
            listed = {"tools": [described(name, function) for name, function in self.tools.items()]}
            return listed | ({"ttlMs": 1_000, "cacheScope": "private"} if self.is_modern else {})
        if self.is_modern:
            if method == "server/discover":
                offered = {"supportedVersions": [MODERN], "capabilities": self.capabilities}
                return offered | {"ttlMs": 1_000, "cacheScope": "private"}
            if method == "subscriptions/listen":
                self.listens[id] = params["notifications"]
                acknowledged = {"notifications": params["notifications"], "_meta": {PREFIX + "subscriptionId": id}}
                return self.notify("notifications/subscriptions/acknowledged", acknowledged)
        elif method == "initialize":
            self.client = params["capabilities"]
            return {"protocolVersion": self.revision, "capabilities": self.capabilities, "serverInfo": self.info}
        elif method == "ping":
            return {}
        elif method == "logging/setLevel":
            self.level = params["level"]
            return {}
        raise Fault(METHOD_NOT_FOUND, f"There is no {method}.")

    def _run_tool(self, call):
        function = self.tools.get(call.params.get("name"))
        if function is None:
            raise Fault(INVALID_PARAMS, f"There is no tool {call.params.get('name')}.")
        result = function(call, **call.params.get("arguments", {}))
        return result if isinstance(result, dict) else {"content": [{"type": "text", "text": str(result)}]}


TYPES = {int: "integer", str: "string", float: "number", bool: "boolean"}


def described(name, function):
    """How a tool is listed."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    schema = {
        "type": "object",
        "properties": {each.name: {"type": TYPES[type(each.default)]} for each in parameters},
    }
    return {"name": name, "description": function.__doc__.splitlines()[0], "inputSchema": schema}


def failed(text):
    """The result of a tool that has failed."""
    return {"content": [{"type": "text", "text": text}], "isError": True}

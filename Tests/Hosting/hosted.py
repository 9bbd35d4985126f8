"""A Torpor that hosts a server, and clients of both eras without a library."""

import contextlib
import http.client
import itertools
import json
import pathlib
import re
import shutil
import sys
import tempfile

import processes
from harness import Server, expect, expect_equal, until
from messages import is_response
from transcript import CAPABILITIES_KEY
from wire_client import Wire, bearer, call, encoded, modern_request, request

SERVERS = pathlib.Path(__file__).resolve().parent / "servers"
HANDLE = "torpor_handle"
ALL = {"roots": {}, "sampling": {}, "elicitation": {}}


def python(name, *arguments):
    """The command of one of the small servers beside this file."""
    return [sys.executable, str(SERVERS / name), *map(str, arguments)]


class Host(Server):
    """`torpor serve -- COMMAND` with a store of its own in a folder of its own. `options` go before the command."""

    def __init__(self, binary, command, *options):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="torpor-hosting-"))
        store = ("--store", f"sqlite:{self.root}/torpor.db")
        try:
            super().__init__(binary, *store, *options, "--", *command)
        except BaseException:
            shutil.rmtree(self.root, ignore_errors=True)
            raise

    def close(self):
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def children(self):
        """The folders that children run in now, with their processes."""
        return processes.folders_in_use(self.root)

    def expect_no_child(self, limit=10):
        until(lambda: not self.children, lambda: f"no child is left; there is {self.children}", limit)

    def restart(self, *, kill=False):
        """Ends the process, orderly or not, and starts it again."""
        if kill:
            self.kill()
        else:
            self.terminate()
            expect_equal(self.wait(), 0, f"exit code ({self.output()})")
        self.start()

    def readiness(self):
        """The status and the text of /readyz."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metric(self, name, **labels):
        """The sum of a metric over what its labels leave open; `None` when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        values = [
            float(value)
            for found, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
            if all(f'{key}="{each}"' in found for key, each in labels.items())
        ]
        return sum(values) if values else None


class Hosts:
    """Starts hosts for trials, and ends them."""

    def __init__(self, binary, transcript):
        self.binary, self.transcript = binary, transcript

    @contextlib.contextmanager
    def __call__(self, command, *options):
        host = Host(self.binary, command, *options)
        try:
            yield host
        finally:
            host.close()

    def session(self, host, capabilities=None, token=None, revision="2025-11-25"):
        return Session(host, self.transcript, capabilities, token, revision)

    def visitor(self, host, capabilities=None, token=None):
        return Visitor(host, self.transcript, capabilities, token)


class Client:
    """What clients of both eras have in common: one connection for requests, and others for streams."""

    def __init__(self, host, transcript, capabilities, token):
        self.host, self.transcript = host, transcript
        self.capabilities = capabilities or {}
        self.headers = bearer(token) if token else {}
        self.numbers = itertools.count(1)
        self.wire = Wire(host, transcript)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.connection.close()

    def ask(self, method, params=None):
        """The `Answer` to a request."""
        message, headers = self.prepared(method, params)
        return self.wire.post(message, **headers)

    def call(self, name, **arguments):
        """The `Answer` to a tool call."""
        return self.ask("tools/call", call(name, **arguments))

    def done(self, name, **arguments):
        """The first text of a tool call that must succeed."""
        result = self.call(name, **arguments).result
        expect(not result.get("isError"), f"{name} failed: {result}")
        return result["content"][0]["text"]

    def begin(self, method, params=None):
        """The id of a request, and its `EventStream`, or its `Answer` when it is none; on a connection of its own."""
        message, headers = self.prepared(method, params)
        wire = Wire(self.host, self.transcript)
        wire.start("POST", *encoded(message, headers))
        return message["id"], wire.begin()

    def tools(self):
        return {tool["name"]: tool for tool in self.ask("tools/list").result["tools"]}

    def about(self):
        """What a `keeper` tells of its process."""
        return json.loads(self.done("about"))


class Session(Client):
    """A legacy client: its session opens with it, and does not end with it."""

    def __init__(self, host, transcript, capabilities=None, token=None, revision="2025-11-25"):
        super().__init__(host, transcript, capabilities, token)
        self.revision = revision
        self.id, self.opened = self.wire.open(revision, self.capabilities, **self.headers)

    def prepared(self, method, params=None):
        headers = {"Mcp_Session_Id": self.id, "MCP_Protocol_Version": self.revision} | self.headers
        return request(method, params, next(self.numbers)), headers

    def tell(self, message):
        """POSTs a notification, or an answer to the server."""
        _, headers = self.prepared("")
        with Wire(self.host, self.transcript) as wire:
            answer = wire.post({"jsonrpc": "2.0"} | message, **headers)
        expect_equal(answer.status, 202, f"status of {message}")

    def end(self):
        """DELETEs the session."""
        _, headers = self.prepared("")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with Wire(self.host, self.transcript) as wire:
            expect(wire.send("DELETE", named).status in (200, 204), "DELETE")

    def listen(self):
        """The `EventStream` of what the server says beside its answers."""
        _, headers = self.prepared("")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        wire = Wire(self.host, self.transcript)
        wire.start("GET", {"Accept": "text/event-stream"} | named)
        return wire.begin()

    def talk(self, name, answers, **arguments):
        """Calls a tool, answers its questions with `answers` (by method), and returns the answer and what was asked."""
        _, stream = self.begin("tools/call", call(name, **arguments))
        if not hasattr(stream, "next"):
            return stream.message, []
        asked = []
        with stream:
            while (message := stream.message()) is not None:
                if is_response(message):
                    return message, asked
                if "id" in message:
                    asked.append((message["method"], message.get("params")))
                    self.tell({"id": message["id"], "result": answered(answers, message)})
        expect(False, f"the stream ended without an answer, after {asked}")


class Visitor(Client):
    """A modern client. It keeps the handle that it is given, as a model would."""

    handle = None
    log_level = None

    def prepared(self, method, params=None):
        params = dict(params or {})
        meta = {CAPABILITIES_KEY: self.capabilities}
        if self.log_level:
            meta["io.modelcontextprotocol/logLevel"] = self.log_level
        params["_meta"] = meta | params.get("_meta", {})
        if self.handle and method == "tools/call":
            params["arguments"] = {HANDLE: self.handle} | params.get("arguments", {})
        message, headers = modern_request(method, params, next(self.numbers))
        return message, headers | self.headers

    def ask(self, method, params=None):
        answer = super().ask(method, params)
        self.learn(answer.message)
        return answer

    def learn(self, message):
        """Keeps the handle that a result tells."""
        for block in ((message or {}).get("result") or {}).get("content", []):
            if found := re.match(rf"{HANDLE}: (\S+)", block.get("text", "")):
                self.handle = found[1]

    def talk(self, name, answers, **arguments):
        """Calls a tool, in as many rounds as it asks for; returns the last answer and what was asked."""
        params, asked = call(name, **arguments), []
        while True:
            message = self.ask("tools/call", params).message
            result = message.get("result", {})
            if result.get("resultType") != "input_required":
                return message, asked
            params = call(name, **arguments) | {"inputResponses": {}}
            for key, question in result["inputRequests"].items():
                asked.append((question["method"], question.get("params")))
                params["inputResponses"][key] = answered(answers, question)
            if "requestState" in result:
                params["requestState"] = result["requestState"]


def answered(answers, question):
    answer = answers[question["method"]]
    return answer(question.get("params")) if callable(answer) else answer

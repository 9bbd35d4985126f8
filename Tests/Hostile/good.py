"""Well-behaved clients, in a process of their own: a session, a handle, calls without state, and a health check.

Reads its settings as one line of JSON from standard input, says `ready` when every client has been served once, works
until its standard input ends, and prints what it met as one line of JSON. A refusal that says when to come back is
obeyed; anything else than the right answer is a failure.
"""

import http.client
import json
import sys
import threading
import time

from raw import LEGACY, META, modern_fields, session_fields

CALL_LIMIT = 30.0  # seconds a call may take with all the times it is sent again
PAUSE = 0.01  # seconds between two calls of one client
WAIT_MAX = 5.0  # seconds that a client waits at most, whatever it is told


class Failed(Exception):
    """The server did not do what it had to."""


class Client(threading.Thread):
    """Calls in turn, and knows what must be answered."""

    kind = ""

    def __init__(self, settings, stop):
        super().__init__(daemon=True)
        self.settings, self.stop = settings, stop
        self.connection = None
        self.calls = 0
        self.refused = 0
        self.failures = []
        self.seconds = []
        self.served = threading.Event()
        self.end = None
        self.fields = {}
        if token := settings["tokens"].get(self.kind):
            self.fields["Authorization"] = f"Bearer {token}"

    def run(self):
        while not self.stop.is_set():
            try:
                self.step()
                self.served.set()
            except (OSError, http.client.HTTPException) if self.settings["may_end"] else () as end:
                self.end = str(end)
                break
            except Exception as error:  # whatever it is, the client was not served
                self.failures.append(f"{self.kind}: {type(error).__name__}: {error}"[:400])
                self.disconnect()
                if len(self.failures) >= 100:
                    return
            self.stop.wait(PAUSE)
        self.disconnect()

    def step(self):
        """One thing a client does, checked."""
        raise NotImplementedError

    def post(self, body, fields):
        """Sends a request until it is served; gives the message and the headers."""
        began = time.monotonic()
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | fields
        while True:
            status, headers, data = self.send("POST", "/mcp", json.dumps(body), fields | self.fields)
            if status == 200:
                break
            again = headers.get("retry-after")
            if status not in (429, 503) or again is None:
                raise Failed(f"status {status}, Retry-After {again}: {data[:200]!r}")
            self.refused += 1
            if time.monotonic() - began > CALL_LIMIT:
                raise Failed(f"refused for {CALL_LIMIT:g} s: {data[:200]!r}")
            self.stop.wait(min(float(again), WAIT_MAX))
            if self.stop.is_set():
                raise Failed("refused when it had to stop") if not self.served.is_set() else Stopped
        self.calls += 1
        self.seconds.append(time.monotonic() - began)
        message = message_in(headers, data)
        if message.get("id") != body["id"]:
            raise Failed(f"asked {body['id']} and was answered {message.get('id')}")
        if "result" not in message:
            raise Failed(f"error {message['error']}")
        return message["result"], headers

    def send(self, verb, path, body, fields):
        for is_last in (False, True):
            is_new = self.connection is None
            if is_new:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.settings["port"], timeout=CALL_LIMIT)
            try:
                self.connection.request(verb, path, body, fields)
                response = self.connection.getresponse()
                data = response.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A kept connection that was closed before anything was answered; of a new one nobody may do that.
                self.disconnect()
                if is_new or is_last:
                    raise
                continue
            if response.will_close:
                self.disconnect()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, data

    def call(self, name, **arguments):
        params = {"name": name, "arguments": arguments}
        fields = self.place(params)
        result, _ = self.post(
            {"jsonrpc": "2.0", "id": self.calls + 1, "method": "tools/call", "params": params}, fields
        )
        text = result["content"][0]["text"] if result.get("content") else None
        if result.get("isError"):
            raise Failed(f"{name} failed: {text}")
        return text

    def place(self, params):
        """Makes a call one of the client's era; gives its headers."""
        params["_meta"] = META
        return modern_fields("tools/call", params["name"])

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def report(self):
        return {
            "kind": self.kind, "calls": self.calls, "refused": self.refused, "failures": self.failures,
            "seconds": self.seconds, "end": self.end,
        }


def message_in(headers, data):
    """The answer in a body: of a call that takes a while it is the last event of a stream."""
    if headers.get("content-type", "").startswith("text/event-stream"):
        events = [line[5:] for line in data.split(b"\n") if line.startswith(b"data:") and line[5:].strip()]
        if not events:
            raise Failed(f"a stream without an answer: {data[:200]!r}")
        data = events[-1]
    return json.loads(data)


class Stopped(Exception):
    """The end came while a client waited to be served again."""


class Counting(Client):
    """Counts and keeps texts, and knows how many and which."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.count = 0
        self.texts = {}
        self.is_open = False

    def step(self):
        try:
            if not self.is_open:
                self.open()
                self.is_open = True
            if self.calls % 5 == 3:
                key = f"text {self.calls % 7}"
                text = f"{self.calls} " + "x" * (self.calls % 300)
                self.call("put", key=key, value=text)
                self.texts[key] = text
            elif self.calls % 5 == 4 and self.texts:
                key = sorted(self.texts)[self.calls % len(self.texts)]
                if self.call("get", key=key) != self.texts[key]:
                    raise Failed(f"{key} is not what was put")
            else:
                value = int(self.call("increment", by=1))
                if value != self.count + 1:
                    self.count, expected = value, self.count + 1
                    raise Failed(f"counted {value}, expected {expected}")
                self.count = value
        except Stopped:
            pass


    def report(self):
        """With what it takes to ask for the count again, and what the count must be."""
        params = {"name": "increment", "arguments": {"by": 0}}
        fields = self.place(params) | self.fields
        return super().report() | {"count": self.count, "params": params, "fields": fields}


class Session(Counting):
    kind = "session"

    session = ""

    def open(self):
        params = {
            "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "good", "version": "1"},
        }
        request = {"jsonrpc": "2.0", "id": self.calls + 1, "method": "initialize", "params": params}
        _, headers = self.post(request, {})
        self.session = headers["mcp-session-id"]

    def place(self, params):
        return session_fields(self.session)


class Handle(Counting):
    kind = "handle"

    handle = None

    def open(self):
        self.handle = self.call("create")

    def place(self, params):
        if self.handle is not None:
            params["arguments"]["handle"] = self.handle
        return super().place(params)


class Stateless(Client):
    kind = "stateless"

    def step(self):
        if self.calls % 20 == 0:
            self.disconnect()
        text = f"call {self.calls}"
        try:
            if self.call("echo_async" if self.calls % 2 else "echo", message=text) != text:
                raise Failed("the echo is another")
        except Stopped:
            pass


class Simple(Client):
    """Calls the server of the conformance suite, which keeps nothing."""

    kind = "stateless"

    def step(self):
        try:
            if not self.call("test_simple_text"):
                raise Failed("the tool said nothing")
        except Stopped:
            pass


class Health(Client):
    """Asks whether the server is well, at the admin port."""

    kind = "health"

    def __init__(self, settings, stop):
        super().__init__(settings | {"port": settings["admin_port"]}, stop)

    def step(self):
        for path in ("/livez", "/readyz"):
            began = time.monotonic()
            status, _, body = self.send("GET", path, None, {})
            self.calls += 1
            self.seconds.append(time.monotonic() - began)
            # Who ends says before that it is not ready.
            if status != 200 and not (self.settings["may_end"] and path == "/readyz"):
                raise Failed(f"{path} answered {status}: {body[:200]!r}")


CLIENTS = {"bench": (Session, Handle, Stateless, Health), "conformance": (Simple, Health)}


def main():
    settings = json.loads(sys.stdin.readline())
    stop = threading.Event()
    clients = [kind(settings, stop) for kind in CLIENTS[settings["server"]]]
    for client in clients:
        client.start()
    for client in clients:
        client.served.wait(CALL_LIMIT)
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join(CALL_LIMIT + WAIT_MAX)
    print(json.dumps([client.report() for client in clients]), flush=True)


if __name__ == "__main__":
    main()

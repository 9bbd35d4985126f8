"""Records what clients and a server said to each other, one exchange a line.

A transcript is a file of JSON objects, one a line, each of them one HTTP exchange (or, without HTTP, one request and
its answer). Any test in any language may append to it; `validate.py` reads it. Members:

    era        "modern" or "legacy": the era the server had to answer in.
    revision   The revision whose schema the answer must satisfy: one of `REVISIONS`. A request for a revision that does
               not exist is answered by the rules of the newest revision of its era.
    request    The JSON-RPC message that was sent, or an array of them, or null when the body was unreadable or absent.
    status     The HTTP status; 200 for an answer that did not travel over HTTP.
    response   The JSON-RPC message that answered, an array for a batch, or null when there was none. For an event
               stream it is the message that has a `result` or an `error`.

Optional members, which allow more rules to be checked:

    verb            The HTTP method; "POST" when absent.
    headers         The request's headers, names in lower case, without `authorization`.
    responseHeaders The response's headers, names in lower case. Rules about headers apply only when present.
    responseText    The body when it was not empty and not JSON-RPC.
    messages        What an event stream carried besides its `response`, in order; an event that is no message as text.
    late            true when an event stream went on after its `response`.
    lastEventId     The last id of an event of an event stream, if any had one.
    answers         The request that an event stream answers when it goes on with an earlier one.
    cancelled       true when the client took the request back; then it may go unanswered. `validate.py` sees by itself
                    what was cancelled in a session whose exchanges, headers included, are in the same file.
    capabilities    What the client of a legacy session said it can do.
    partial         true when the client went away before the answer had come whole; no answer is expected then.
    source          Which test wrote the line.

    channel         true for what did not travel as an HTTP exchange of its own (stdio, HTTP with SSE): no status told the
                    client anything. What the server says besides its answers is a line without a `request` then.

Example:

    {"era":"legacy","revision":"2025-06-18","request":{"jsonrpc":"2.0","id":1,"method":"ping"},
     "status":200,"response":{"jsonrpc":"2.0","id":1,"result":{}}}
"""

import json
import os
import threading
import urllib.parse
import zlib

from events import EventParser, events_of, is_event_stream
from messages import as_message, is_response, parsed

LEGACY_REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_REVISIONS = ("2026-07-28",)
REVISIONS = LEGACY_REVISIONS + MODERN_REVISIONS

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"


def metadata(message):
    """The `params._meta` of a message; empty when it has none."""
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def is_modern_request(message):
    """Whether the message itself says that it is modern, whatever its headers say."""
    return not metadata(message).keys().isdisjoint((VERSION_KEY, CAPABILITIES_KEY))


class Transcript:
    """The exchanges of one process: kept in memory for the trials, and appended to a file when one is named.

    Safe to use from several threads. The file is opened for appending and each line is one write, so that several
    processes may share it.
    """

    def __init__(self, path=None, source=None):
        self.exchanges = []
        self.source = source
        self._lock = threading.Lock()
        self._sessions = {}
        self._unanswered = {}
        self._file = open(path, "ab", buffering=0) if path else None

    def record(self, verb, headers, body, status, response_headers, response_body, partial=False, answers=None):
        """Adds one exchange. Header names may be in any case; bodies are bytes, with the content coding still on."""
        headers = {name.lower(): value for name, value in headers.items()}
        response_headers = {name.lower(): value for name, value in response_headers.items()}
        headers.pop("authorization", None)
        if response_headers.get("content-encoding") in ("gzip", "deflate"):
            response_body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(response_body)
        exchange = {
            "verb": verb,
            "headers": headers,
            "request": as_message(parsed(body)),
            "status": status,
            "responseHeaders": response_headers,
            "response": None,
        }
        if is_event_stream(response_headers):
            exchange |= told_by_stream(events_of(response_body))
        elif response_body:
            exchange["response"] = as_message(parsed(response_body))
            if exchange["response"] is None and not partial:
                exchange["responseText"] = response_body.decode("utf-8", "replace")
        # Nobody waits for the end of a stream whose answer has come.
        if partial and not (is_event_stream(response_headers) and exchange["response"]):
            exchange["partial"] = True
        with self._lock:
            if answers is None:
                answers = self._answered_by(exchange)
            if answers is not None:
                exchange["answers"] = answers
            exchange["era"], exchange["revision"] = self._classify(exchange)
            if headers.get("mcp-session-id") in self._sessions:
                exchange["capabilities"] = self._sessions[headers["mcp-session-id"]][1]
        self.add(exchange)

    def _answered_by(self, exchange):
        """The earlier request that a stream answers, when its client came back for the answer."""
        request, response = exchange["request"], exchange["response"]
        session = exchange["headers"].get("mcp-session-id")
        if exchange["verb"] == "GET" and isinstance(response, dict):
            return self._unanswered.pop((session, repr(response.get("id"))), None)
        if "messages" in exchange and response is None and isinstance(request, dict) and "id" in request:
            self._unanswered[session, repr(request["id"])] = request
        return None

    def add(self, exchange):
        """Adds an exchange that is complete but for its source."""
        if self.source:
            exchange["source"] = self.source
        with self._lock:
            self.exchanges.append(exchange)
            if self._file:
                self._file.write(json.dumps(exchange).encode() + b"\n")

    def _classify(self, exchange):
        """The era and the revision the server had to answer in, by the rules of serving both eras on one endpoint."""
        request, headers, response = exchange["request"], exchange["headers"], exchange["response"]
        named = headers.get("mcp-protocol-version")
        if is_modern_request(request):
            asked = metadata(request).get(VERSION_KEY)
            return "modern", asked if asked in MODERN_REVISIONS else MODERN_REVISIONS[-1]
        if named in MODERN_REVISIONS:
            return "modern", named
        if isinstance(request, dict) and request.get("method") == "initialize":
            result = response.get("result") if isinstance(response, dict) else None
            revision = result.get("protocolVersion") if isinstance(result, dict) else None
            if revision not in LEGACY_REVISIONS:
                return "legacy", LEGACY_REVISIONS[-1]
            session = exchange["responseHeaders"].get("mcp-session-id")
            if session:
                self._sessions[session] = revision, request["params"]["capabilities"]
            return "legacy", revision
        if headers.get("mcp-session-id") in self._sessions:
            return "legacy", self._sessions[headers["mcp-session-id"]][0]
        if named in LEGACY_REVISIONS:
            return "legacy", named
        return "legacy", LEGACY_REVISIONS[-1] if request is None else "2025-03-26"


def told_by_stream(events):
    """The members of a transcript's line that tell what an event stream said."""
    told = {"response": None, "messages": []}
    for event in events:
        if event.id is not None:
            told["lastEventId"] = event.id
        if not event.data:
            continue
        message = as_message(parsed(event.data))
        if told["response"] is not None:
            told["late"] = True
        if told["response"] is None and is_response(message):
            told["response"] = message
        else:
            told["messages"].append(event.data if message is None else message)
    return told


class Channel:
    """Makes exchanges of what the two ends of a channel say."""

    def __init__(self, transcript):
        self.transcript = transcript
        self._agreed, self._capabilities = LEGACY_REVISIONS[-1], {}
        self._is_modern = False  # whether the newest request was
        self._requests = {}
        self._lock = threading.Lock()

    def sent(self, message):
        """The client said `message`."""
        if not isinstance(message, dict) or "method" not in message or "id" not in message:
            return
        with self._lock:
            self._requests[repr(message["id"])] = message
            self._is_modern = is_modern_request(message)
            if message["method"] == "initialize":
                self._capabilities = message["params"]["capabilities"]

    def received(self, message):
        """The server said `message`; what is no JSON-RPC message will be found wrong."""
        with self._lock:
            if not is_response(message):
                return self._add(None, None, [message], self._is_modern)
            request = self._requests.pop(repr(message.get("id")), None)
            if request and request["method"] == "initialize" and "result" in message:
                agreed = message["result"].get("protocolVersion")
                self._agreed = agreed if agreed in LEGACY_REVISIONS else LEGACY_REVISIONS[-1]
            self._add(request, message, [], self._is_modern if request is None else is_modern_request(request))

    def _add(self, request, response, messages, is_modern):
        exchange = {
            "era": "modern" if is_modern else "legacy",
            "revision": MODERN_REVISIONS[-1] if is_modern else self._agreed,
            "request": request,
            "status": 200,
            "response": response,
            "messages": messages,
            "channel": True,
        }
        if not is_modern:
            exchange["capabilities"] = self._capabilities
        self.transcript.add(exchange)


def record_httpx(transcript, httpx):
    """Makes every asynchronous client of `httpx` (the module `httpx` or `httpx2`) record into `transcript`.

    The hook sits at the transport, below redirects and authentication, so it sees what really crossed the wire. An
    exchange is recorded when its body has been read to the end or its stream is closed, whichever comes first.
    """
    original = httpx.AsyncHTTPTransport.handle_async_request
    channels = {}  # of clients of 2024-11-05, by the URL to which they post

    class Tee(httpx.AsyncByteStream):
        def __init__(self, inner, done, hear=lambda chunk: None):
            self.inner, self.done, self.hear, self.chunks, self.ended = inner, done, hear, [], False

        async def __aiter__(self):
            try:
                async for chunk in self.inner:
                    self.chunks.append(chunk)
                    self.hear(chunk)
                    yield chunk
            except Exception:
                self.finish(partial=True)
                raise
            self.finish(partial=False)

        async def aclose(self):
            try:
                await self.inner.aclose()
            finally:
                self.finish(partial=True)

        def finish(self, partial):
            if not self.ended:
                self.ended = True
                self.done(b"".join(self.chunks), partial)

    def follow(url):
        """Hears the stream of a client of 2024-11-05, whose first event says where the client posts."""
        parser, channel = EventParser(), Channel(transcript)

        def hear(chunk):
            for event in parser.feed(chunk):
                if event.kind == "endpoint":
                    channels[urllib.parse.urljoin(url, event.data)] = channel
                elif event.data is not None:
                    channel.received(event.data if event.message is None else event.message)

        return hear

    async def handle_async_request(self, request):
        body = await request.aread()
        url = str(request.url)
        if request.method == "POST" and url in channels:
            channels[url].sent(parsed(body))
            return await original(self, request)
        response = await original(self, request)
        if request.url.path == "/sse" and response.status_code == 200:
            response.stream = Tee(response.stream, lambda *_: None, follow(url))
            return response

        def done(response_body, partial):
            length = response.headers.get("content-length")
            whole = not partial or length is not None and int(length) == len(response_body)
            transcript.record(
                request.method,
                dict(request.headers),
                body,
                response.status_code,
                dict(response.headers),
                response_body,
                partial=not whole,
            )

        response.stream = Tee(response.stream, done)
        return response

    httpx.AsyncHTTPTransport.handle_async_request = handle_async_request


def from_environment(source):
    """The transcript of this process: in the file that `TORPOR_TRANSCRIPT` names, or in memory alone."""
    return Transcript(os.environ.get("TORPOR_TRANSCRIPT"), source)

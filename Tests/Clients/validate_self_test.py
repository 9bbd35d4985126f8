"""Shows that `validate.py` finds faults: each exchange below is right, or wrong in the one way its rule names."""

import copy

from rules import Finding, check_exchange
from transcript import CAPABILITIES_KEY, LOG_LEVEL_KEY, SUBSCRIPTION_KEY, VERSION_KEY

META = {VERSION_KEY: "2026-07-28", CAPABILITIES_KEY: {}}
ALL = {"sampling": {}, "elicitation": {}, "roots": {}}
JSON = {"content-type": "application/json"}


def modern(method, result=None, error=None, status=200, id=1, answer_id=1, headers=JSON, meta=None, **params):
    """A modern exchange; `meta` is added to the request's metadata."""
    response = {"jsonrpc": "2.0", "id": answer_id} | ({"result": result} if error is None else {"error": error})
    return {
        "era": "modern",
        "revision": "2026-07-28",
        "status": status,
        "response": response,
        "responseHeaders": headers,
        "request": {"jsonrpc": "2.0", "id": id, "method": method, "params": params | {"_meta": META | (meta or {})}},
    }


def legacy(method, result=None, error=None, status=200, revision="2025-11-25", id=1, answer_id=1, **params):
    """A legacy exchange."""
    response = {"jsonrpc": "2.0", "id": answer_id} | ({"result": result} if error is None else {"error": error})
    return {
        "era": "legacy",
        "revision": revision,
        "status": status,
        "response": response,
        "responseHeaders": JSON,
        "request": {"jsonrpc": "2.0", "id": id, "method": method, "params": params},
    }


def changed(line, **members):
    """`line` with some members replaced; `...` removes one."""
    line = copy.deepcopy(line) | members
    return {name: value for name, value in line.items() if value is not ...}


def error(code, data=None):
    return {"code": code, "message": "no"} | ({} if data is None else {"data": data})


def without_id(line):
    line = copy.deepcopy(line)
    del line["response"]["id"]
    return line


COMPLETE = {"resultType": "complete"}
CACHED = COMPLETE | {"ttlMs": 0, "cacheScope": "private"}
TOOL = {"name": "echo", "inputSchema": {"type": "object"}}
LISTED = modern("tools/list", CACHED | {"tools": [TOOL]})
CALLED = modern("tools/call", COMPLETE | {"content": [{"type": "text", "text": "hi"}]}, name="echo")
FOUND = modern("server/discover", CACHED | {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
OPENED = legacy(
    "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "t", "version": "1"}}
)
NOTIFIED = {
    "era": "legacy",
    "revision": "2025-11-25",
    "status": 202,
    "response": None,
    "responseHeaders": {},
    "request": {"jsonrpc": "2.0", "method": "notifications/initialized"},
}
GONE = legacy("tools/list", error=error(-32001), status=404)
UNREAD = {
    "era": "modern",
    "revision": "2026-07-28",
    "request": None,
    "status": 400,
    "responseHeaders": JSON,
    "response": {"jsonrpc": "2.0", "error": error(-32700)},
}
BATCH = {
    "era": "legacy",
    "revision": "2025-03-26",
    "status": 200,
    "responseHeaders": JSON,
    "request": [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ],
    "response": [{"jsonrpc": "2.0", "id": 1, "result": {}}],
}
NO_MESSAGE = {"jsonrpc": "2.0", "error": {"code": -32600, "message": "A batch holds messages, not batches."}}
PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 0.5}}
LOGGED = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "notice", "data": "said"}}
NUMBER = {"type": "number", "minimum": 0.5, "maximum": 1.5, "default": 0.75}
ASKED = {
    "jsonrpc": "2.0",
    "id": 9,
    "method": "elicitation/create",
    "params": {"message": "How much?", "requestedSchema": {"type": "object", "properties": {"ratio": NUMBER}}},
}
LEGACY_ASKED = changed(legacy("tools/call", {"content": []}, name="a"), messages=[ASKED])
ASKING = {
    "resultType": "input_required",
    "inputRequests": {"amount": {"method": ASKED["method"], "params": ASKED["params"]}},
}
EVENTS = {"content-type": "text/event-stream"}


def streamed(line, *messages, **meta):
    """`line` answered by a stream with `messages` before the answer; `meta` is added to the request's metadata."""
    line = changed(line, messages=list(messages), responseHeaders=EVENTS)
    line["request"]["params"]["_meta"] |= meta
    return line


def told(method, id=1, **params):
    """A notification of the subscription `id`."""
    return {"jsonrpc": "2.0", "method": method, "params": {"_meta": {SUBSCRIPTION_KEY: id}} | params}


ACKNOWLEDGED = told("notifications/subscriptions/acknowledged", notifications={"toolsListChanged": True})
CHANGED = told("notifications/tools/list_changed")
LISTENED = changed(
    streamed(modern("subscriptions/listen", notifications={"toolsListChanged": True}), ACKNOWLEDGED, CHANGED),
    response=None,
    partial=True,
)
LET_GO = changed(legacy("tools/call", name="a"), response=None, messages=[], lastEventId="1", responseHeaders=EVENTS)
RESUMED = changed(
    legacy("tools/call", {"content": []}, name="a"),
    verb="GET",
    request=None,
    answers=LET_GO["request"],
    messages=[],
    lastEventId="2",
    responseHeaders=EVENTS,
)

RIGHT = {
    "a discovery": FOUND,
    "a tool list": LISTED,
    "a tool call": CALLED,
    "a tool call that failed": modern("tools/call", COMPLETE | {"content": [], "isError": True}, name="echo"),
    "a question in place of a result": modern(
        "tools/call", {"resultType": "input_required", "requestState": "s"}, name="a"
    ),
    "an unknown tool": modern("tools/call", error=error(-32602), name="none"),
    "an unknown method": modern("sessions/list", error=error(-32601), status=404),
    "an unsupported version": modern(
        "tools/list", status=400, error=error(-32022, {"supported": ["2026-07-28"], "requested": "1999-01-01"})
    ),
    "a body that is no JSON": UNREAD,
    "a stream with progress": streamed(CALLED, PROGRESS, progressToken=1),
    "a stream with a log message": streamed(CALLED, LOGGED, **{LOG_LEVEL_KEY: "info"}),
    "a subscription": LISTENED,
    "a question to those who can be asked": modern("tools/call", ASKING, meta={CAPABILITIES_KEY: ALL}, name="a"),
    "a legacy question to those who can be asked": changed(LEGACY_ASKED, capabilities={"elicitation": {}}),
    "a call that lets go of its connection": LET_GO,
    "a stream that goes on with a call": RESUMED,
    "a call that was taken back": changed(LET_GO, lastEventId=..., cancelled=True),
    "a handshake": OPENED,
    "an initialized notification": NOTIFIED,
    "a ping": legacy("ping", {}),
    "a legacy call of a tool": legacy("tools/call", {"content": []}, revision="2024-11-05", name="echo"),
    "a session that is gone": GONE,
    "a refused stream": {
        "era": "legacy",
        "revision": "2025-11-25",
        "verb": "GET",
        "request": None,
        "status": 405,
        "response": None,
        "responseHeaders": {"allow": "POST, DELETE"},
    },
    "a missing token": changed(
        without_id(modern("tools/list", error=error(-32600), status=401)),
        responseHeaders=JSON | {"www-authenticate": "Bearer"},
    ),
    "a batch": BATCH,
    "a batch of which one part cannot be read": changed(
        BATCH, request=[*BATCH["request"], 7], response=[*BATCH["response"], NO_MESSAGE]
    ),
    "a question with fractional bounds": LEGACY_ASKED,
    "a line without headers": changed(CALLED, responseHeaders=...),
    "a missing capability on a channel": changed(
        modern("tools/call", error=error(-32021, {"requiredCapabilities": {"sampling": {}}}), name="a"),
        channel=True,
        responseHeaders=...,
    ),
    "what a channel says beside its answers": changed(
        NOTIFIED,
        request=None,
        status=200,
        messages=[PROGRESS, ASKED],
        channel=True,
        capabilities={"elicitation": {}},
        responseHeaders=...,
    ),
    "an answer that was cut off": changed(CALLED, response=None, partial=True),
}

WRONG = {
    "a result without its type": ("the result is a JSON-RPC result", modern("tools/list", {"tools": [TOOL]})),
    "a list without caching hints": ("the result has its type", modern("tools/list", COMPLETE | {"tools": [TOOL]})),
    "a tool without a schema": (
        "the result has its type",
        modern("tools/list", CACHED | {"tools": [{"name": "echo"}]}),
    ),
    "a call without content": ("the result has its type", modern("tools/call", COMPLETE, name="echo")),
    "content of no known kind": (
        "the result has its type",
        modern("tools/call", COMPLETE | {"content": [{"type": "smell", "text": "hi"}]}, name="echo"),
    ),
    "a negative time to live": ("the result has its type", modern("tools/list", CACHED | {"tools": [], "ttlMs": -1})),
    "an unknown result type": (
        "the result type is known",
        modern("tools/call", {"resultType": "maybe", "content": []}),
    ),
    "a list that asks for input": (
        "input is asked for where it may be",
        modern("tools/list", {"resultType": "input_required", "requestState": "s"}),
    ),
    "a question that asks nothing": (
        "asking for input asks something",
        modern("tools/call", {"resultType": "input_required"}),
    ),
    "a ping in the modern era": ("a result belongs to a method", modern("ping", COMPLETE)),
    "an unsupported version without data": (
        "the error has its type",
        modern("tools/list", error=error(-32022), status=400),
    ),
    "a missing capability without data": (
        "the error has its type",
        modern("tools/call", error=error(-32021), status=400),
    ),
    "an unsupported version with status 200": (
        "the status fits the code",
        modern("tools/list", error=error(-32022, {"supported": [], "requested": "x"})),
    ),
    "an unknown method with status 200": ("the status fits the code", modern("nothing", error=error(-32601))),
    "a session error in the modern era": (
        "old and unassigned codes are not used",
        modern("tools/list", error=error(-32001)),
    ),
    "an unassigned code": ("reserved codes are not used", modern("tools/list", error=error(-32050))),
    "a number answered as text": ("the id is echoed", modern("tools/list", CACHED | {"tools": []}, answer_id="1")),
    "true for one": ("the id is echoed", modern("tools/list", CACHED | {"tools": []}, answer_id=True)),
    "another's id": ("the id is echoed", legacy("ping", {}, answer_id=2)),
    "a fraction for a number": ("the id is echoed", legacy("ping", {}, answer_id=1.0)),
    "an error that forgot the id": (
        "the id is echoed",
        without_id(modern("tools/call", error=error(-32602), name="none")),
    ),
    "a lost session that forgot the id": ("the id is echoed", without_id(GONE)),
    "a null id": (
        "an id is never null",
        changed(UNREAD, response={"jsonrpc": "2.0", "id": None, "error": error(-32700)}),
    ),
    "an invented id": (
        "an unread id is not invented",
        changed(UNREAD, response={"jsonrpc": "2.0", "id": 0, "error": error(-32700)}),
    ),
    "an unreadable body taken as read": ("an unreadable request is refused", changed(UNREAD, status=200)),
    "a code that is text": (
        "the error is a JSON-RPC error",
        modern("tools/list", error={"code": "-32602", "message": "no"}),
    ),
    "an error without a message": ("the error is a JSON-RPC error", legacy("tools/list", error={"code": -32602})),
    "a result and an error at once": (
        "an answer is a result or an error",
        changed(CALLED, response=CALLED["response"] | {"error": error(-32603)}),
    ),
    "a session in the modern era": (
        "no session in the modern era",
        changed(CALLED, responseHeaders=JSON | {"mcp-session-id": "s"}),
    ),
    "a refusal that opens a session": (
        "a refusal opens no session",
        changed(GONE, responseHeaders=JSON | {"mcp-session-id": "s"}),
    ),
    "a session id with a blank": (
        "a session id is visible ASCII",
        changed(OPENED, responseHeaders=JSON | {"mcp-session-id": "a b"}),
    ),
    "a body after 202": ("202 has no body", changed(NOTIFIED, response={"jsonrpc": "2.0", "id": 1, "result": {}})),
    "text after 202": ("202 has no body", changed(NOTIFIED, responseText="Accepted")),
    "an answered notification": ("a notification is not answered", changed(NOTIFIED, status=200)),
    "a request that was only accepted": ("a request is answered", changed(CALLED, status=202, response=None)),
    "a request without an answer": ("a request is answered", changed(CALLED, response=None)),
    "a message sent as HTML": (
        "messages are JSON or events",
        changed(CALLED, responseHeaders={"content-type": "text/html"}),
    ),
    "401 without a scheme": ("401 names the scheme", changed(CALLED, status=401, response=None, responseHeaders={})),
    "405 without methods": ("405 names the methods", changed(CALLED, status=405, response=None, responseHeaders={})),
    "a handshake in another revision": ("the handshake names its revision", changed(OPENED, revision="2025-06-18")),
    "a handshake without a server": (
        "the result has its type",
        legacy("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}}),
    ),
    "modern members for a legacy client": (
        "modern members stay modern",
        legacy("tools/list", {"tools": [], "ttlMs": 0}),
    ),
    "a ping with content": ("an empty result is empty", legacy("ping", {"pong": True})),
    "a discovery in the legacy era": ("a result belongs to a method", legacy("server/discover", {})),
    "an unknown method that ends the session": (
        "404 means the session is gone",
        legacy("nothing", error=error(-32601), status=404),
    ),
    "a structured list for a legacy client": (
        "the result has its type",
        legacy("tools/call", {"content": [], "structuredContent": [1]}, name="echo"),
    ),
    "a batch where there is none": ("batches exist in 2025-03-26 alone", changed(BATCH, revision="2025-06-18")),
    "a batch that swallowed what it could not read": (
        "a request is answered",
        changed(BATCH, request=[*BATCH["request"], 7]),
    ),
    "an error for nothing in a batch": (
        "the id is echoed",
        changed(BATCH, response=[*BATCH["response"], NO_MESSAGE]),
    ),
    "a batch that lost a request": ("a request is answered", changed(BATCH, response=[])),
    "a batch answered twice": ("the id is echoed", changed(BATCH, response=BATCH["response"] * 2)),
    "progress without a token": (
        "a server message has its type",
        changed(CALLED, messages=[{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}]),
    ),
    "a missing capability on a channel without data": (
        "the error has its type",
        changed(modern("tools/call", error=error(-32021), name="a"), channel=True, responseHeaders=...),
    ),
    "a question on a channel that is not answered there": (
        "only what is declared is asked for",
        changed(
            NOTIFIED, request=None, status=200, messages=[ASKED], channel=True, capabilities={}, responseHeaders=...
        ),
    ),
    "text on a channel": (
        "a stream carries messages",
        changed(NOTIFIED, request=None, status=200, messages=["hello"], channel=True, responseHeaders=...),
    ),
    "a question of a modern server": ("a modern server asks nothing", changed(CALLED, messages=[ASKED])),
    "an event that is no message": ("a stream carries messages", changed(CALLED, messages=["hello"])),
    "a client's message": (
        "a server message is known",
        changed(LEGACY_ASKED, messages=[{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}]),
    ),
    "a fault on a stream that was cut off": (
        "a server message has its type",
        changed(LISTENED, messages=[ACKNOWLEDGED, CHANGED | {"params": []}]),
    ),
    "a message after the response": ("a response ends its stream", changed(CALLED, late=True)),
    "a modern event with an id": ("modern events have no ids", changed(CALLED, lastEventId="1")),
    "progress that nobody asked for": ("progress is told to those who asked", streamed(CALLED, PROGRESS)),
    "progress for another's token": (
        "progress is told to those who asked",
        streamed(CALLED, PROGRESS, progressToken="1"),
    ),
    "a log message that nobody asked for": ("logs are told to those who asked", streamed(CALLED, LOGGED)),
    "a log message of too low a level": (
        "logs are told to those who asked",
        streamed(CALLED, LOGGED, **{LOG_LEVEL_KEY: "warning"}),
    ),
    "a change on the stream of a call": ("calls and subscriptions do not mix", streamed(CALLED, CHANGED)),
    "progress on a subscription": (
        "calls and subscriptions do not mix",
        changed(LISTENED, messages=[ACKNOWLEDGED, told("notifications/progress", progressToken=1, progress=1)]),
    ),
    "a change before the acknowledgement": (
        "first a subscription is acknowledged",
        changed(LISTENED, messages=[CHANGED]),
    ),
    "a second acknowledgement": (
        "first a subscription is acknowledged",
        changed(LISTENED, messages=[ACKNOWLEDGED, ACKNOWLEDGED]),
    ),
    "a change that does not name its subscription": (
        "a change names its subscription",
        changed(LISTENED, messages=[ACKNOWLEDGED, {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]),
    ),
    "a change that names it as text": (
        "a change names its subscription",
        changed(LISTENED, messages=[ACKNOWLEDGED, told("notifications/tools/list_changed", id="1")]),
    ),
    "a question to those who cannot be asked": (
        "only what is declared is asked for",
        modern("tools/call", ASKING, name="a"),
    ),
    "a form for those who only open pages": (
        "only what is declared is asked for",
        modern("tools/call", ASKING, meta={CAPABILITIES_KEY: {"elicitation": {"url": {}}}}, name="a"),
    ),
    "a legacy question to those who cannot be asked": (
        "only what is declared is asked for",
        changed(LEGACY_ASKED, capabilities={"sampling": {}}),
    ),
    "a call that lets go without a way back": ("a request is answered", changed(LET_GO, lastEventId=...)),
    "a call of an older revision that lets go": ("a request is answered", changed(LET_GO, revision="2025-06-18")),
    "a stream that goes on with another's call": (
        "the id is echoed",
        changed(RESUMED, answers=LET_GO["request"] | {"id": 7}),
    ),
    "a modern request in a legacy line": (
        "the transcript is well-formed",
        changed(CALLED, era="legacy", revision="2025-11-25"),
    ),
    "a revision of the other era": ("the transcript is well-formed", changed(CALLED, revision="2025-11-25")),
    "a line without a status": ("the transcript is well-formed", changed(CALLED, status=...)),
}


def run(schemas):
    """Checks all of the above, prints a line for each, and returns the exit code."""
    failed = 0
    for name, line in RIGHT.items():
        failed += not report(name, None, rule_broken_by(schemas, line))
    for name, (rule, line) in WRONG.items():
        failed += not report(name, rule, rule_broken_by(schemas, line))
    return 1 if failed else 0


def rule_broken_by(schemas, line):
    try:
        check_exchange(schemas, line)
    except Finding as finding:
        return finding.rule
    return None


def report(name, expected, found):
    if found == expected:
        print(f"ok validator: {name} is {'reported' if expected else 'accepted'}")
        return True
    print(f"FAIL validator: {name}: expected {expected or 'no finding'!r}, got {found or 'no finding'!r}")
    return False

"""What a server's messages must be: the schema of their revision, and the rules that no schema can tell.

`check_exchange` takes one line of a transcript (see `transcript.py`) and raises a `Finding` that names the broken rule.
"""

import json

from transcript import (
    CAPABILITIES_KEY,
    LEGACY_REVISIONS,
    LOG_LEVEL_KEY,
    MODERN_REVISIONS,
    REVISIONS,
    SUBSCRIPTION_KEY,
    is_modern_request,
    metadata,
)

SHARED_RESULTS = {
    "completion/complete": "CompleteResult",
    "prompts/get": "GetPromptResult",
    "prompts/list": "ListPromptsResult",
    "resources/list": "ListResourcesResult",
    "resources/read": "ReadResourceResult",
    "resources/templates/list": "ListResourceTemplatesResult",
    "tools/call": "CallToolResult",
    "tools/list": "ListToolsResult",
}
LEGACY_RESULTS = SHARED_RESULTS | {
    "initialize": "InitializeResult",
    "ping": "EmptyResult",
    "logging/setLevel": "EmptyResult",
    "resources/subscribe": "EmptyResult",
    "resources/unsubscribe": "EmptyResult",
}
LEGACY_TASK_RESULTS = {
    "tasks/get": "GetTaskResult",
    "tasks/result": "GetTaskPayloadResult",
    "tasks/list": "ListTasksResult",
    "tasks/cancel": "CancelTaskResult",
}
MODERN_RESULTS = SHARED_RESULTS | {
    "server/discover": "DiscoverResult",
    "subscriptions/listen": "SubscriptionsListenResult",
}
EXTENSION_RESULTS = {
    "tasks/get": "GetTaskResult",
    "tasks/update": "UpdateTaskResult",
    "tasks/cancel": "CancelTaskResult",
}
MAY_ASK_FOR_INPUT = {"tools/call", "prompts/get", "resources/read"}
TYPED_MODERN_ERRORS = {
    -32020: "HeaderMismatchError",
    -32021: "MissingRequiredClientCapabilityError",
    -32022: "UnsupportedProtocolVersionError",
}
MODERN_STATUSES = {
    -32700: {400},
    -32600: {400},
    -32601: {404},
    -32602: {200, 400},
    -32603: {200, 500},
    -32020: {400},
    -32021: {400},
    -32022: {400},
}
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
MODERN_ONLY_MEMBERS = {"resultType", "ttlMs", "cacheScope"}

# Refusals that need nothing of the body, so that the server may not have read the request's id yet.
REFUSED_UNREAD = {401, 403, 405, 406, 408, 411, 413, 415, 421, 429, 431, 503}


def is_refused_unread(status, code):
    """Whether a request was refused before its body was read; a path that is not the endpoint is 404 with code -32600."""
    return status in REFUSED_UNREAD or (status == 404 and code == -32600)


class Finding(Exception):
    """One fault of one exchange: the rule that it breaks, and how."""

    def __init__(self, rule, message):
        super().__init__(message)
        self.rule = rule


class Schemas:
    """The schemas of all revisions, compiled definition by definition when first needed."""

    def __init__(self, folder):
        from jsonschema import Draft7Validator, Draft202012Validator

        self._validators = {}
        self._documents = {}
        for name in (*REVISIONS, "ext-tasks"):
            document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            key = "$defs" if "$defs" in document else "definitions"
            mend_number_schema(document[key].get("NumberSchema"))
            self._documents[name] = document, key, Draft202012Validator if key == "$defs" else Draft7Validator
        self.methods = {name: server_methods_of(document[key]) for name, (document, key, _) in self._documents.items()}

    def check(self, rule, revision, definition, value):
        """Raises a `Finding` unless `value` is what `definition` of `revision` says."""
        document, key, validator_class = self._documents[revision]
        validator = self._validators.get((revision, definition))
        if validator is None:
            root = {"$schema": document["$schema"], "$ref": f"#/{key}/{definition}", key: document[key]}
            validator = self._validators[revision, definition] = validator_class(root)
        error = best_error(validator.iter_errors(value))
        if error is not None:
            place = "/".join(str(part) for part in error.absolute_path) or "(root)"
            raise Finding(rule, f"not a {definition} of {revision}: at {place}: {error.message[:300]}")


def best_error(errors):
    from jsonschema.exceptions import best_match

    return best_match(errors)


def mend_number_schema(schema):
    """Undoes a fault of the generator of two revisions: bounds and default of a number are numbers, not integers."""
    for name in ("default", "minimum", "maximum"):
        if schema and schema["properties"].get(name, {}).get("type") == "integer":
            schema["properties"][name]["type"] = "number"


def server_methods_of(definitions):
    """Maps each method of a message that servers send to the definition of that message."""
    unions = [definitions[name] for name in ("ServerRequest", "ServerNotification") if name in definitions]
    # The schema of the tasks extension has no unions; its servers send its notifications.
    names = {each["$ref"].rpartition("/")[2] for union in unions for each in union.get("anyOf", [union])} or {
        name for name in definitions if name.endswith("Notification")
    }
    return {
        definitions[name]["properties"]["method"]["const"]: name
        for name in sorted(names)
        if "const" in definitions[name].get("properties", {}).get("method", {})
    }


def require(condition, rule, message):
    if not condition:
        raise Finding(rule, message)


def same_id(left, right):
    """Whether two ids are the same JSON value: `1` is neither `"1"` nor `1.0` nor `true`."""
    return type(left) is type(right) and left == right


def check_exchange(schemas, line):
    """Raises a `Finding` for the first rule that an exchange breaks. Returns the number of messages it validated."""
    check_line(line)
    era, revision, status = line["era"], line["revision"], line["status"]
    request, response = line["request"], line["response"]
    headers = line.get("responseHeaders")
    if line.get("channel"):
        status = status_in_place(era, request, response)
    if status == 202:
        require(response is None and "responseText" not in line, "202 has no body", "a body came with 202 Accepted")
    if headers is not None:
        check_headers(line, headers)
    for message in line.get("messages", ()):
        check_server_message(schemas, era, revision, message)
    check_stream(line)
    if line.get("partial"):
        return len(line.get("messages", ()))
    if isinstance(request, list):
        return check_batch(schemas, line)
    if isinstance(request, dict) and "method" in request and "id" not in request:
        require(status == 202 or status >= 400, "a notification is not answered", f"a notification got status {status}")
    if isinstance(request, dict) and "method" in request and "id" in request:
        require(status != 202, "a request is answered", "a request got 202 Accepted")
        may_be_silent = line.get("cancelled") or revision == "2025-11-25" and "lastEventId" in line
        require(
            response is not None or status >= 300 or may_be_silent,
            "a request is answered",
            f"status {status} without a message",
        )
    if response is None:
        return len(line.get("messages", ()))
    check_answer(schemas, era, revision, line.get("answers", request), status, response)
    check_what_is_asked(line)
    return 1 + len(line.get("messages", ()))


def status_in_place(era, request, response):
    """What HTTP would have said of an answer that came on a channel, where no status tells the client anything."""
    code = response["error"].get("code") if isinstance(response, dict) and "error" in response else None
    if era == "legacy":
        return 200 if code is None or request is not None else 400
    return max(MODERN_STATUSES.get(code, {200}))


def check_line(line):
    """The line is a line of a transcript, and its era is the one that its request speaks."""
    rule = "the transcript is well-formed"
    require(isinstance(line, dict), rule, "the line is not an object")
    for name in ("era", "revision", "request", "status", "response"):
        require(name in line, rule, f"the line has no `{name}`")
    revisions = {"modern": MODERN_REVISIONS, "legacy": LEGACY_REVISIONS}.get(line["era"])
    require(revisions is not None, rule, f"unknown era {line['era']!r}")
    require(line["revision"] in revisions, rule, f"{line['revision']!r} is no revision of the {line['era']} era")
    require(type(line["status"]) is int and 100 <= line["status"] <= 599, rule, f"bad status {line['status']!r}")
    require(isinstance(line["request"], (dict, list, type(None))), rule, "`request` is neither message, batch nor null")
    require(
        isinstance(line["response"], (dict, list, type(None))), rule, "`response` is neither message, batch nor null"
    )
    require(
        line["era"] == "modern" or not is_modern_request(line["request"]), rule, "a modern request is labelled legacy"
    )


def check_headers(line, headers):
    """What a response's headers must and must not say."""
    status = line["status"]
    if "mcp-session-id" in headers:
        require(line["era"] == "legacy", "no session in the modern era", "a modern response carries Mcp-Session-Id")
        require(status < 400, "a refusal opens no session", f"status {status} carries Mcp-Session-Id")
        value = headers["mcp-session-id"]
        require(value and all(0x21 <= ord(c) <= 0x7E for c in value), "a session id is visible ASCII", repr(value))
    if status == 401:
        challenge = headers.get("www-authenticate", "")
        require(challenge.lower().startswith("bearer"), "401 names the scheme", f"WWW-Authenticate is {challenge!r}")
    if status == 405:
        require("allow" in headers, "405 names the methods", "no Allow header")
    if status in (204, 202):
        require(headers.get("content-length", "0") == "0", f"{status} has no body", "Content-Length is not 0")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if line["response"] is not None and not line.get("partial"):
        require(
            kind in ("application/json", "text/event-stream"),
            "messages are JSON or events",
            f"Content-Type is {kind!r}",
        )


def check_batch(schemas, line):
    """A batch: 2025-03-26 answers each of its requests once, every other revision refuses it."""
    request, response = line["request"], line["response"]
    if not isinstance(response, list):
        if response is not None:
            require("error" in response, "a batch is answered by a batch", "an array was answered by a single result")
            check_answer(schemas, line["era"], line["revision"], None, line["status"], response)
        return 1 if response is not None else 0
    require(
        line["revision"] == "2025-03-26", "batches exist in 2025-03-26 alone", f"{line['revision']} answered a batch"
    )
    messages = [m for m in request if isinstance(m, dict) and m.keys() & {"method", "result", "error"}]
    asked = {(type(m["id"]), m["id"]): m for m in messages if "method" in m and "id" in m}
    unread = len(request) - len(messages)
    for answer in response:
        require(isinstance(answer, dict), "a batch holds messages", f"{answer!r} is no message")
        if unread and "id" not in answer and "error" in answer:
            unread -= 1
            check_answer(schemas, line["era"], line["revision"], None, 400, answer)
            continue
        key = type(answer.get("id")), answer.get("id")
        require(key in asked, "the id is echoed", f"no open request has the id {answer.get('id')!r}")
        check_answer(schemas, line["era"], line["revision"], asked.pop(key), line["status"], answer)
    unanswered = len(asked) + unread
    require(not unanswered, "a request is answered", f"{unanswered} requests of the batch were not answered")
    return len(response)


def check_answer(schemas, era, revision, request, status, response):
    """The message that answers `request`; `request` is `None` when the server could not read one."""
    require(isinstance(response, dict), "an answer is one message", "an array answered a single message")
    require(
        ("result" in response) != ("error" in response),
        "an answer is a result or an error",
        "both or neither of `result` and `error`",
    )
    require(response.get("id", 0) is not None, "an id is never null", "`id` is null")
    check_id(request, status, response)
    if "error" in response:
        check_error(schemas, era, revision, request, status, response)
    else:
        check_result(schemas, era, revision, request, status, response)


def check_id(request, status, response):
    readable = isinstance(request, dict) and type(request.get("id")) in (str, int)
    if readable and "id" in response:
        require(
            same_id(request["id"], response["id"]),
            "the id is echoed",
            f"asked as {request['id']!r}, answered as {response['id']!r}",
        )
    elif readable and "method" in request:
        require(
            is_refused_unread(status, response["error"].get("code")),
            "the id is echoed",
            f"the answer to {request['id']!r} has no id",
        )
    else:
        require("id" not in response, "an unread id is not invented", f"answered as {response.get('id')!r}")


def check_error(schemas, era, revision, request, status, response):
    # Up to 2025-06-18 the schema demands an id even of an error whose request had none; the text never did.
    envelope = revision if "id" in response or era == "modern" else LEGACY_REVISIONS[-1]
    name = "JSONRPCErrorResponse" if envelope in ("2025-11-25", "2026-07-28") else "JSONRPCError"
    schemas.check("the error is a JSON-RPC error", envelope, name, response)
    code = response["error"]["code"]
    require(
        status < 200 or status >= 300 or isinstance(request, dict),
        "an unreadable request is refused",
        f"status {status} for a body that is no request",
    )
    if era == "legacy":
        require(
            status != 404 or code == -32001,
            "404 means the session is gone",
            f"a legacy client takes a 404 as the end of its session, but the code is {code}",
        )
        return
    if code in TYPED_MODERN_ERRORS:
        schemas.check("the error has its type", revision, TYPED_MODERN_ERRORS[code], response)
    if code in MODERN_STATUSES and not is_refused_unread(status, code):
        require(status in MODERN_STATUSES[code], "the status fits the code", f"status {status} with code {code}")
    require(code in TYPED_MODERN_ERRORS or not -32099 <= code <= -32020, "reserved codes are not used", f"code {code}")
    require(
        code not in (-32042,) and not -32019 <= code <= -32000, "old and unassigned codes are not used", f"code {code}"
    )


def check_result(schemas, era, revision, request, status, response):
    name = "JSONRPCResultResponse" if revision in ("2025-11-25", "2026-07-28") else "JSONRPCResponse"
    schemas.check("the result is a JSON-RPC result", revision, name, response)
    require(status == 200, "a result comes with 200", f"status {status}")
    require(isinstance(request, dict) and "method" in request, "a result answers a request", "there was no request")
    method, result = request["method"], response["result"]
    if era == "modern":
        check_modern_result(schemas, revision, method, result)
    else:
        check_legacy_result(schemas, revision, request, method, result)


def check_modern_result(schemas, revision, method, result):
    kind = result["resultType"]
    if kind == "input_required":
        require(method in MAY_ASK_FOR_INPUT, "input is asked for where it may be", f"{method} asks for input")
        require(
            "inputRequests" in result or "requestState" in result, "asking for input asks something", "neither member"
        )
        require("ttlMs" not in result and "cacheScope" not in result, "asking for input is not cached", "caching hints")
        return schemas.check("the result has its type", revision, "InputRequiredResult", result)
    if kind == "task":
        require(method == "tools/call", "only a tool call becomes a task", f"{method} became a task")
        return schemas.check("the result has its type", "ext-tasks", "CreateTaskResult", result)
    require(kind == "complete", "the result type is known", f"resultType is {kind!r}")
    if method in EXTENSION_RESULTS:
        return schemas.check("the result has its type", "ext-tasks", EXTENSION_RESULTS[method], result)
    require(
        method in MODERN_RESULTS, "a result belongs to a method", f"{revision} has no method {method!r} with a result"
    )
    schemas.check("the result has its type", revision, MODERN_RESULTS[method], result)


def check_legacy_result(schemas, revision, request, method, result):
    results = LEGACY_RESULTS | (LEGACY_TASK_RESULTS if revision == "2025-11-25" else {})
    require(method in results, "a result belongs to a method", f"{revision} has no method {method!r} with a result")
    definition = results[method]
    params = request.get("params")
    if (
        method == "tools/call"
        and revision == "2025-11-25"
        and isinstance(params, dict)
        and "task" in params
        and "task" in result
    ):
        definition = "CreateTaskResult"
    schemas.check("the result has its type", revision, definition, result)
    strangers = MODERN_ONLY_MEMBERS & result.keys()
    require(not strangers, "modern members stay modern", f"a legacy result has {', '.join(sorted(strangers))}")
    if definition == "EmptyResult":
        require(result.keys() <= {"_meta"}, "an empty result is empty", f"it has {', '.join(sorted(result))}")
    if method == "initialize":
        require(
            result["protocolVersion"] == revision,
            "the handshake names its revision",
            f"protocolVersion is {result['protocolVersion']!r}, the session is {revision}",
        )


def check_what_is_asked(line):
    """A modern server asks for nothing that the request does not declare."""
    if line["era"] == "modern" and isinstance(line["response"].get("result"), dict):
        declared = metadata(line["request"]).get(CAPABILITIES_KEY)
        for asked in line["response"]["result"].get("inputRequests", {}).values():
            check_declared(asked, declared)


def check_declared(asked, declared):
    """A client is asked only for what it declared that it can do."""
    params = asked.get("params", {})
    capability, detail = {
        "roots/list": ("roots", None),
        "sampling/createMessage": ("sampling", "tools" if "tools" in params else None),
        "elicitation/create": ("elicitation", params.get("mode", "form")),
    }.get(asked["method"], (None, None))
    if capability is None:
        return
    offered = (declared or {}).get(capability)
    # An empty `elicitation` means forms.
    fits = offered is not None and (detail is None or detail in offered or detail == "form" and "url" not in offered)
    require(fits, "only what is declared is asked for", f"asked for {capability} ({detail}) of {declared!r}")


def check_stream(line):
    """The rules of what an event stream says, and in which order."""
    messages = [message for message in line.get("messages", ()) if isinstance(message, dict)]
    require(not line.get("late"), "a response ends its stream", "the stream went on after it")
    require(line["era"] == "legacy" or "lastEventId" not in line, "modern events have no ids", "an event has an id")
    if "capabilities" in line:
        for message in messages:
            if "id" in message:
                check_declared(message, line["capabilities"])
    request = line.get("answers", line["request"])
    if not isinstance(request, dict) or "method" not in request:
        return
    if request["method"] == "subscriptions/listen":
        return check_listening(request, messages)
    for message in messages:
        check_said_in_call(line["era"], request, message)


def check_listening(request, messages):
    """A subscription: first it is acknowledged, then come changes, and each of them names it."""
    for number, message in enumerate(messages):
        method = message["method"]
        is_acknowledgement = method == "notifications/subscriptions/acknowledged"
        require(
            is_acknowledgement == (number == 0), "first a subscription is acknowledged", f"{method} came at {number}"
        )
        require(
            same_id(metadata(message).get(SUBSCRIPTION_KEY), request["id"]),
            "a change names its subscription",
            f"asked as {request['id']!r}, told as {metadata(message).get(SUBSCRIPTION_KEY)!r}",
        )
        require(
            method not in ("notifications/progress", "notifications/message"),
            "calls and subscriptions do not mix",
            f"a subscription tells {method}",
        )


def check_said_in_call(era, request, message):
    """A notification on the stream of a call belongs to that call."""
    method, params = message["method"], message.get("params", {})
    if method == "notifications/progress":
        require(
            same_id(params["progressToken"], metadata(request).get("progressToken")),
            "progress is told to those who asked",
            f"the token is {params['progressToken']!r}",
        )
    if era == "legacy":
        return
    if method == "notifications/message":
        least = metadata(request).get(LOG_LEVEL_KEY)
        require(
            least in LEVELS and LEVELS.index(params["level"]) >= LEVELS.index(least),
            "logs are told to those who asked",
            f"asked for {least!r}, told {params['level']}",
        )
    require(
        method in ("notifications/progress", "notifications/message"),
        "calls and subscriptions do not mix",
        f"a call tells {method}",
    )


def check_server_message(schemas, era, revision, message):
    """A notification or request that a stream carried."""
    require(isinstance(message, dict) and "method" in message, "a stream carries messages", f"{message!r}"[:200])
    require(message.get("id", 0) is not None, "an id is never null", "`id` is null")
    require(era == "legacy" or "id" not in message, "a modern server asks nothing", f"it sent {message['method']!r}")
    name = schemas.methods[revision].get(message["method"])
    if name is None and era == "modern" and message["method"] in schemas.methods["ext-tasks"]:
        revision, name = "ext-tasks", schemas.methods["ext-tasks"][message["method"]]
    require(name is not None, "a server message is known", f"{revision} has no {message['method']!r}")
    schemas.check("a server message has its type", revision, name, message)

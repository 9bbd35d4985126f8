"""Asks its client, tells it how far it has come, changes what it offers.

    asker.py [--modern] FILE

While FILE is there, a tool more is offered, which all processes of this server see.
"""

import json
import pathlib
import sys
import time

from lines import LEGACY, MODERN, Cancelled, Fault, Server, described

is_modern = "--modern" in sys.argv
flag = pathlib.Path(sys.argv[-1])
server = Server(
    "asker",
    MODERN if is_modern else LEGACY,
    {
        "tools": {"listChanged": True},
        "logging": {},
        "resources": {"subscribe": True, "listChanged": True},
        "prompts": {"listChanged": True},
        "completions": {},
    },
)

FORM = {
    "message": "Who are you?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}
SAMPLE = {"messages": [{"role": "user", "content": {"type": "text", "text": "Say it."}}], "maxTokens": 10}


def answered(call, key, method, params=None):
    """The client's answer; of a modern server `None` until it is there."""
    return call.answers.get(key) if is_modern else call.ask(method, params)


def asks(state=None, **requests):
    """A modern server's result that asks."""
    made = {name: {"method": method, "params": params or {}} for name, (method, params) in requests.items()}
    return {"resultType": "input_required", "inputRequests": made} | ({} if state is None else {"requestState": state})


@server.tool
def name(call):
    """Asks who the user is."""
    answer = answered(call, "who", "elicitation/create", FORM)
    if answer is None:
        return asks(who=("elicitation/create", FORM))
    return f"{answer['action']} {answer.get('content', {}).get('name')}"


@server.tool
def say(call):
    """Asks the client's model."""
    answer = answered(call, "model", "sampling/createMessage", SAMPLE)
    if answer is None:
        return asks(model=("sampling/createMessage", SAMPLE))
    return answer["content"]["text"]


@server.tool
def roots(call):
    """Asks for the client's roots."""
    answer = answered(call, "roots", "roots/list")
    if answer is None:
        return asks(roots=("roots/list", None))
    return " ".join(root["uri"] for root in answer["roots"])


@server.tool
def interview(call):
    """Asks twice, the second question with what the first was answered."""
    if is_modern:
        known = json.loads(call.params.get("requestState", "[]"))
        known += [each["content"]["name"] for each in call.answers.values()]
        if len(known) < 2:
            question = FORM | {"message": f"Name {len(known) + 1}, after {known}?"}
            return asks(json.dumps(known), **{f"n{len(known)}": ("elicitation/create", question)})
    else:
        known = []
        while len(known) < 2:
            question = FORM | {"message": f"Name {len(known) + 1}, after {known}?"}
            known.append(call.ask("elicitation/create", question)["content"]["name"])
    return " and ".join(known)


@server.tool
def dare(call):
    """Asks what the client may not be able to answer, and tells what came."""
    try:
        return json.dumps(call.ask("elicitation/create", FORM))
    except Fault as fault:
        return f"refused {fault.code}: {fault}"


@server.tool
def steps(call, count=3):
    """Tells how far it has come."""
    for number in range(count):
        call.progress(number + 1, count, f"step {number + 1}")
        time.sleep(0.03)  # so that none is left out: clients are told a hundred times a second at most
    return "done"


@server.tool
def talk(call):
    """Says something at each level."""
    for level in ("debug", "info", "warning", "error"):
        call.log(level, {"said": level})
    return "said"


@server.tool
def level(call):
    """Tells the least level that is wanted."""
    return server.level


@server.tool
def wait(call):
    """Waits until it is cancelled."""
    call.log("emergency", "waiting")
    call.is_cancelled.wait()
    raise Cancelled


@server.tool
def cancellations(call):
    """Tells how often a call was cancelled."""
    return server.cancelled_count


@server.tool
def change(call):
    """Offers a tool more, or no more."""
    flag.unlink() if flag.exists() else flag.touch()
    server.tell("notifications/tools/list_changed", lambda filter: filter.get("toolsListChanged"))
    return flag.exists()


@server.tool
def touch(call, uri="note://one"):
    """Changes a resource."""
    if server.is_modern:
        server.tell(
            "notifications/resources/updated",
            lambda filter: uri in filter.get("resourceSubscriptions", []),
            {"uri": uri},
        )
        return sum(uri in filter.get("resourceSubscriptions", []) for filter in server.listens.values())
    if uri in subscribed:
        server.notify("notifications/resources/updated", {"uri": uri})
    return int(uri in subscribed)


def more(call):
    """Is not always there."""
    return "more"


subscribed = set()
CACHE = {"ttlMs": 1_000, "cacheScope": "private"} if is_modern else {}


def list_tools(params):
    offered = server.tools | ({"more": more} if flag.exists() else {})
    return {"tools": [described(name, function) for name, function in offered.items()]} | CACHE


def read(params):
    if not params["uri"].startswith("note://"):
        raise Fault(-32602 if is_modern else -32002, f"There is no {params['uri']}.")
    return {"contents": [{"uri": params["uri"], "mimeType": "text/plain", "text": f"of {params['uri']}"}]} | CACHE


def get_prompt(params):
    if params["name"] != "greet":
        raise Fault(-32602, f"There is no prompt {params['name']}.")
    text = f"Greet {params.get('arguments', {}).get('whom', 'all')}."
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}


def subscribe(params):
    subscribed.add(params["uri"])
    return {}


def unsubscribe(params):
    subscribed.discard(params["uri"])
    return {}


server.methods |= {
    "tools/list": list_tools,
    "resources/list": lambda params: {"resources": [{"uri": "note://one", "name": "one"}]} | CACHE,
    "resources/templates/list": lambda params: {
        "resourceTemplates": [{"uriTemplate": "note://{name}", "name": "any"}]
    }
    | CACHE,
    "resources/read": read,
    "prompts/list": lambda params: {
        "prompts": [{"name": "greet", "description": "Greets.", "arguments": [{"name": "whom"}]}]
    }
    | CACHE,
    "prompts/get": get_prompt,
    "completion/complete": lambda params: {
        "completion": {"values": [params["argument"]["value"] + end for end in ("a", "b")]}
    },
}
if not is_modern:
    server.methods |= {"resources/subscribe": subscribe, "resources/unsubscribe": unsubscribe}
server.run()

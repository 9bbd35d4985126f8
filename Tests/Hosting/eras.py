"""Trials of translation: clients and servers of either era, and all that they say to each other."""

import contextlib
import json
import pathlib
import tempfile

from harness import Trials, expect, expect_equal, until
from hosted import ALL, python
from messages import is_response

trials = Trials()
BRIEF = ("--child-idle-timeout", "1s")
UPDATED, CHANGED = "notifications/resources/updated", "notifications/tools/list_changed"
FORM, SAMPLE, ROOTS = "elicitation/create", "sampling/createMessage", "roots/list"
ANSWERS = {
    FORM: {"action": "accept", "content": {"name": "Ada"}},
    SAMPLE: {"role": "assistant", "content": {"type": "text", "text": "It."}, "model": "trial"},
    ROOTS: {"roots": [{"uri": "file:///home/ada", "name": "home"}]},
}
ALICE = "a" * 40


@contextlib.contextmanager
def asker(hosts, is_modern, *options, with_token=False):
    """A host of an `asker` of either era, and the file that changes what it offers."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = pathlib.Path(folder) / "tokens"
        tokens.write_text(f"alice {ALICE}\n")
        tokens.chmod(0o600)
        auth = ("--auth", f"token-file={tokens}") if with_token else ()
        command = python("asker.py", *(["--modern"] if is_modern else []), folder + "/flag")
        with hosts(command, *auth, *options) as host:
            yield host


def pairings(function):
    """A trial for each pairing of an era of the client with one of the server."""
    for client_is_modern in (False, True):
        for server_is_modern in (False, True):

            def trial(hosts, client_is_modern=client_is_modern, server_is_modern=server_is_modern):
                with asker(hosts, server_is_modern, *getattr(function, "options", ())) as host:
                    make = hosts.visitor if client_is_modern else hosts.session
                    with make(host, ALL) as client:
                        function(hosts, host, client)

            eras = ["legacy", "modern"]
            trial.__name__ = f"{function.__name__}_({eras[client_is_modern]}_client,_{eras[server_is_modern]}_server)"
            trials(trial)
    return function


def text_of(message):
    expect("result" in message, f"an error: {message}")
    return message["result"]["content"][0]["text"]


@pairings
def a_form_reaches_the_client_and_its_answer_the_server(hosts, host, client):
    for answer, text in (
        (ANSWERS[FORM], "accept Ada"), ({"action": "decline"}, "decline None"), ({"action": "cancel"}, "cancel None"),
    ):
        message, asked = client.talk("name", {FORM: answer})
        expect_equal(text_of(message), text, "answer")
        expect_equal([method for method, _ in asked], [FORM], "questions")
        expect_equal(asked[0][1]["message"], "Who are you?", "message")
        expect_equal(asked[0][1]["requestedSchema"]["required"], ["name"], "schema")


@pairings
def a_sample_and_roots_reach_the_server(hosts, host, client):
    message, asked = client.talk("say", ANSWERS)
    expect_equal((text_of(message), asked[0][0], asked[0][1]["maxTokens"]), ("It.", SAMPLE, 10), "sample")
    message, asked = client.talk("roots", ANSWERS)
    expect_equal((text_of(message), asked[0][0]), ("file:///home/ada", ROOTS), "roots")


@pairings
def a_call_may_ask_twice(hosts, host, client):
    names = iter(["Ada", "Bob"])
    answers = {FORM: lambda params: {"action": "accept", "content": {"name": next(names)}}}
    message, asked = client.talk("interview", answers)
    expect_equal(text_of(message), "Ada and Bob", "answer")
    expect_equal(
        [params["message"] for _, params in asked], ["Name 1, after []?", "Name 2, after ['Ada']?"], "questions"
    )


@trials
def a_question_that_the_client_cannot_be_asked_is_refused(hosts):
    for server_is_modern in (False, True):
        with asker(hosts, server_is_modern) as host:
            for client in (hosts.session(host), hosts.visitor(host)):
                with client:
                    message = client.call("name").message
                    expect("error" in message or message["result"].get("isError"), f"an answer: {message}")
                    if not server_is_modern:
                        text = client.done("dare")
                        expect(text.startswith("refused -32"), f"the server was told {text}")


@trials
def a_call_that_asked_may_be_left_and_another_made(hosts):
    with asker(hosts, False) as host, hosts.visitor(host, ALL) as client:
        for _ in range(3):
            result = client.call("name").result
            expect_equal(result["resultType"], "input_required", "result type")
        message, _ = client.talk("name", ANSWERS)
        expect_equal(text_of(message), "accept Ada", "answer")
        # A state that was made up, or belongs to another call, is refused.
        first = client.call("name").result
        params = {"name": "roots", "arguments": {}, "requestState": first["requestState"], "inputResponses": {}}
        expect_equal(client.ask("tools/call", params).code, -32602, "code for the state of another call")


@pairings
def progress_arrives_in_order(hosts, host, client):
    params = {"name": "steps", "arguments": {"count": 5}, "_meta": {"progressToken": "p"}}
    client.done("steps")
    _, stream = client.begin("tools/call", params)
    messages = [] if hasattr(stream, "next") else stream.messages
    if hasattr(stream, "next"):
        with stream:
            while (message := stream.message()) is not None:
                messages.append(message)
                if is_response(message):
                    break
    heard = [each["params"] for each in messages if each.get("method") == "notifications/progress"]
    expect_equal([each["progress"] for each in heard], [1, 2, 3, 4, 5], "progress")
    expect_equal({(each["progressToken"], each["total"]) for each in heard}, {("p", 5)}, "token and total")
    expect_equal(heard[2]["message"], "step 3", "message")
    expect_equal(text_of(messages[-1]), "done", "answer")


def logged(client):
    """The levels of what is logged during a call of `talk`."""
    _, stream = client.begin("tools/call", {"name": "talk", "arguments": {}})
    if not hasattr(stream, "next"):
        return [each["params"]["level"] for each in stream.notices if each["method"] == "notifications/message"]
    levels = []
    with stream:
        while (message := stream.message()) is not None and not is_response(message):
            if message.get("method") == "notifications/message":
                expect_equal(message["params"]["data"], {"said": message["params"]["level"]}, "data")
                levels.append(message["params"]["level"])
    return levels


@trials
def a_session_keeps_its_log_level_over_a_sleep(hosts):
    for server_is_modern in (False, True):
        with asker(hosts, server_is_modern, *BRIEF) as host, hosts.session(host) as client:
            client.ask("logging/setLevel", {"level": "warning"}).result
            expect_equal(logged(client), ["warning", "error"], "levels heard")
            host.expect_no_child()
            expect_equal(logged(client), ["warning", "error"], "levels heard after a sleep")
            if not server_is_modern:
                expect_equal(client.done("level"), "warning", "level that the server was told")
            client.ask("logging/setLevel", {"level": "debug"}).result
            expect_equal(logged(client), ["debug", "info", "warning", "error"], "levels heard at last")


@trials
def a_modern_client_hears_the_level_that_each_request_names(hosts):
    for server_is_modern in (False, True):
        with asker(hosts, server_is_modern) as host, hosts.visitor(host) as client:
            expect_equal(logged(client), [], "levels heard without asking")
            client.done("level")
            for level, heard in (("error", ["error"]), ("info", ["info", "warning", "error"]), (None, [])):
                client.log_level = level
                expect_equal(logged(client), heard, f"levels heard from {level}")


@pairings
def a_cancelled_call_is_cancelled_at_the_server(hosts, host, client):
    is_legacy = hasattr(client, "id")
    if is_legacy:
        client.ask("logging/setLevel", {"level": "emergency"})
    else:
        client.log_level = "emergency"
    expect_equal(client.done("cancellations"), "0", "cancellations at first")
    id, stream = client.begin("tools/call", {"name": "wait", "arguments": {}})
    with stream:
        expect_equal(stream.message()["params"]["data"], "waiting", "log message")
        if is_legacy:
            client.tell({"method": "notifications/cancelled", "params": {"requestId": id}})
            until(lambda: client.done("cancellations") == "1", "the server hears of it")
    until(lambda: client.done("cancellations") == "1", "the server hears that the client is gone")


@pairings
def resources_prompts_and_completions_pass_through(hosts, host, client):
    expect_equal([each["uri"] for each in client.ask("resources/list").result["resources"]], ["note://one"], "list")
    templates = client.ask("resources/templates/list").result["resourceTemplates"]
    expect_equal([each["uriTemplate"] for each in templates], ["note://{name}"], "templates")
    for uri in ("note://one", "note://other"):
        expect_equal(client.ask("resources/read", {"uri": uri}).result["contents"][0]["text"], f"of {uri}", uri)
    expect(client.ask("resources/read", {"uri": "void://"}).code in (-32602, -32002), "code of what is not there")
    expect_equal([each["name"] for each in client.ask("prompts/list").result["prompts"]], ["greet"], "prompts")
    got = client.ask("prompts/get", {"name": "greet", "arguments": {"whom": "Ada"}}).result
    expect_equal(got["messages"][0]["content"]["text"], "Greet Ada.", "prompt")
    expect_equal(client.ask("prompts/get", {"name": "curse"}).code, -32602, "code of an unknown prompt")
    asked = {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "whom", "value": "x"}}
    expect_equal(client.ask("completion/complete", asked).result["completion"]["values"], ["xa", "xb"], "completion")


def listening(client, **filter):
    """A stream of changes: that of a session, or one that names what it is for."""
    if hasattr(client, "id"):
        return client.listen()
    _, stream = client.begin("subscriptions/listen", {"notifications": filter})
    expect_equal(stream.message()["method"], "notifications/subscriptions/acknowledged", "first message")
    return stream


def heard(stream, method, within=10):
    """The parameters of the next notice of `method`."""
    while (message := stream.message(within)) is not None:
        if message["method"] == method:
            return message.get("params", {})
    expect(False, f"the stream ended before {method}")


@pairings
def a_changed_list_is_told_and_listed(hosts, host, client):
    expect("more" not in client.tools(), "the tool is there already")
    client.done("level")
    with listening(client, toolsListChanged=True) as stream:
        expect_equal(client.done("change"), "True", "change")
        heard(stream, CHANGED)
        expect("more" in client.tools(), "a tool that is new is not listed after the notice")
        client.done("change")
        heard(stream, CHANGED)
        expect("more" not in client.tools(), "a tool that is gone is listed after the notice")


@trials
def a_session_stays_subscribed_while_its_child_sleeps(hosts):
    for server_is_modern in (False, True):
        with asker(hosts, server_is_modern, *BRIEF) as host, hosts.session(host) as client:
            client.ask("resources/subscribe", {"uri": "note://one"}).result
            with client.listen() as stream:
                for when in ("at first", "after a sleep", "after another"):
                    expect_equal(client.done("touch"), "1", f"subscriptions that the server knows {when}")
                    expect_equal(heard(stream, UPDATED)["uri"], "note://one", f"update {when}")
                    host.expect_no_child()
                client.ask("resources/unsubscribe", {"uri": "note://one"}).result
                expect_equal(client.done("touch"), "0", "subscriptions at last")


@trials
def a_principals_stream_hears_of_resources_while_its_child_sleeps_and_wakes(hosts):
    for server_is_modern in (False, True):
        with asker(hosts, server_is_modern, *BRIEF, with_token=True) as host:
            with hosts.visitor(host, token=ALICE) as client:
                with listening(client, resourceSubscriptions=["note://one"]) as stream:
                    until(lambda: client.done("touch") == "1", "the server knows of the subscription")
                    for when in ("at first", "after a sleep"):
                        expect_equal(heard(stream, UPDATED)["uri"], "note://one", f"update {when}")
                        host.expect_no_child()
                        expect_equal(client.done("touch"), "1", f"subscriptions that the server knows {when}")


@trials
def updates_reach_those_alone_who_have_subscribed(hosts):
    with asker(hosts, False) as host, hosts.session(host) as one, hosts.session(host) as other:
        one.ask("resources/subscribe", {"uri": "note://one"}).result
        with one.listen() as heard_by_one, other.listen() as heard_by_other:
            one.done("touch")
            expect_equal(heard(heard_by_one, UPDATED)["uri"], "note://one", "update")
            try:
                message = heard_by_other.message(within=0.5)
            except TimeoutError:
                message = None
            expect(message is None, f"the other heard {message}")


@trials
def a_stream_may_be_the_first_that_a_client_asks_for(hosts):
    """Even before it is known what the server offers."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["sh", "-c", 'sleep 1; exec "$@"', "sh", *python("asker.py", folder + "/flag")]
        with hosts(command) as host, hosts.visitor(host) as client:
            with listening(client, toolsListChanged=True) as stream:
                client.done("change")
                heard(stream, CHANGED)
            expect(host.process.poll() is None, "Torpor ended")

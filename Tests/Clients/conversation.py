"""What a server says to a client beside its answers, and the trials of it that every library must pass.

`Peer` is the client's side: it answers the server's questions and keeps what it is told. A `Meeting` opens sessions of
one library over one transport, so that the same trials run over HTTP and over standard input and output.
"""

import asyncio
import contextlib
import inspect
import itertools
import json

from agents import refusal
from harness import EVENT_LIMIT, Failure, Skipped, Trials, expect, expect_equal

MISSING_CAPABILITY = -32021


class NoAnswer(Exception):
    """What a form's function raises so that its client answers with an error."""


class Heard(list):
    """What has been heard so far; can be waited for."""

    def __init__(self):
        super().__init__()
        self._more = asyncio.Event()

    def add(self, item):
        self.append(item)
        self._more.set()

    async def until(self, condition, what):
        """Waits until `condition` holds for what has been heard."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVENT_LIMIT):
                while not condition(self):
                    self._more.clear()
                    await self._more.wait()
        expect(condition(self), f"not within {EVENT_LIMIT:g} s: {what}; heard {list(self)}")

    async def count(self, count, what):
        await self.until(lambda heard: len(heard) >= count, f"{count} {what}")


class Peer:
    """One client: what it offers to be asked, and what it has been asked and told.

    `form(message, schema)` returns an action and the content; `sample(texts, limit)` returns a text; both may be
    asynchronous. `roots` are pairs of URI and name. What is `None` is not offered. `level` is the log level that a
    modern client puts on each of its requests.
    """

    def __init__(self, form=None, sample=None, roots=None, level=None):
        self.form, self.sample, self.roots, self.level = form, sample, roots, level
        self.forms, self.samples, self.logs, self.notices = Heard(), Heard(), Heard(), Heard()

    async def fill_in(self, message, schema):
        """The action and the content with which the user answers a form."""
        self.forms.add((message, schema))
        return await answer_of(self.form, message, schema)

    async def complete(self, texts, limit):
        """What the client's model says."""
        self.samples.add((texts, limit))
        return await answer_of(self.sample, texts, limit)

    def notified(self, notification):
        """Keeps a notification of the server, given as a library's object."""
        members = notification.model_dump(mode="json", by_alias=True, exclude_none=True)
        self.notices.add((members["method"], members.get("params", {})))

    def notices_of(self, method):
        return [params for name, params in self.notices if name == method]

    async def notice(self, method, count=1):
        """Waits until `count` notices of `method` have come, and returns the last one's parameters."""
        await self.notices.until(lambda _: len(self.notices_of(method)) >= count, f"{count} times {method}")
        return self.notices_of(method)[-1]


async def answer_of(function, *arguments):
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


class Meeting:
    """How sessions of one agent are opened over HTTP."""

    def __init__(self, agent, servers):
        self.agent, self.servers, self.name = agent, servers, agent.name

    @property
    def is_modern(self):
        return self.agent.revision == "2026-07-28"

    def open(self, peer, server="conformance"):
        return self.agent.connect(getattr(self.servers, server).url, peer=peer)

    @contextlib.asynccontextmanager
    async def meet_alone(self):
        """A session with a `bench` server of its own, and a function that waits until a call runs there, or none."""
        server = self.servers.start("--server", "bench")

        async def runs(does_run):
            await asyncio.to_thread(server.expect_gauge, "torpor_calls_in_flight", int(does_run))

        async with self.agent.connect(server.url, peer=Peer()) as session:
            yield session, runs

    @contextlib.asynccontextmanager
    async def meet_listener(self):
        """A session with a `bench` server of its own that hears of changes already, and its peer.

        The libraries open the stream for that on their own, some time after the handshake.
        """
        peer = Peer()
        server = self.servers.start("--server", "bench")
        async with self.agent.connect(server.url, peer=peer) as session:
            await asyncio.to_thread(server.expect_gauge, "torpor_streams", 1)
            yield session, peer


def filled_in(**content):
    """A user who fills in every form with `content`."""
    return lambda message, schema: ("accept", content)


def defaults(message, schema):
    """A user who accepts every form as it is."""
    return "accept", {name: field["default"] for name, field in schema["properties"].items() if "default" in field}


async def done(session, name, arguments=None, **options):
    """The text of a call that must succeed."""
    outcome = await session.call(name, arguments or {}, **options)
    expect(not outcome.failed, f"{name} failed: {outcome.text!r}")
    return outcome.text


trials = Trials()


# Questions


@trials
async def an_accepted_form_reaches_the_tool(meeting):
    peer = Peer(form=filled_in(username="ada", email="ada@example.org"))
    async with meeting.open(peer) as session:
        text = await done(session, "test_elicitation", {"message": "Who are you?"})
        expect("accept" in text and "ada" in text and "ada@example.org" in text, f"the tool got {text!r}")
    expect_equal(len(peer.forms), 1, "forms")
    message, schema = peer.forms[0]
    expect_equal(message, "Who are you?", "message")
    expect_equal(schema["type"], "object", "type of the form")
    expect_equal(
        {name: field["type"] for name, field in schema["properties"].items()},
        {"username": "string", "email": "string"},
        "fields",
    )
    expect_equal(sorted(schema["required"]), ["email", "username"], "required fields")


@trials
async def a_declined_and_a_dismissed_form_are_told_apart(meeting):
    for action, other in (("decline", "cancel"), ("cancel", "decline")):
        async with meeting.open(Peer(form=lambda message, schema, action=action: (action, None))) as session:
            text = await done(session, "test_elicitation", {"message": "Who are you?"})
            expect(action in text and other not in text and "accept" not in text, f"{action} gave {text!r}")


@trials
async def defaults_of_every_type_arrive_and_come_back(meeting):
    peer = Peer(form=defaults)
    async with meeting.open(peer) as session:
        text = await done(session, "test_elicitation_sep1034_defaults")
    fields = peer.forms[0][1]["properties"]
    expect_equal(
        {name: (field["type"], field["default"]) for name, field in fields.items()},
        {
            "name": ("string", "John Doe"),
            "age": ("integer", 30),
            "score": ("number", 95.5),
            "status": ("string", "active"),
            "verified": ("boolean", True),
        },
        "types and defaults",
    )
    expect_equal(fields["status"]["enum"], ["active", "inactive", "pending"], "choices")
    head, _, content = text.partition("content=")
    expect(head.startswith("Elicitation completed: action=accept"), f"the tool got {text!r}")
    expect_equal(
        json.loads(content),
        {"name": "John Doe", "age": 30, "score": 95.5, "status": "active", "verified": True},
        "content",
    )


@trials
async def choices_of_every_shape_arrive_and_come_back(meeting):
    chosen = {
        "untitledSingle": "option2",
        "titledSingle": "value3",
        "legacyEnum": "opt1",
        "untitledMulti": ["option1", "option3"],
        "titledMulti": ["value2"],
    }
    peer = Peer(form=filled_in(**chosen))
    async with meeting.open(peer) as session:
        text = await done(session, "test_elicitation_sep1330_enums")
    fields = peer.forms[0][1]["properties"]
    expect_equal(set(fields), set(chosen), "fields")
    options = ["option1", "option2", "option3"]
    expect_equal(fields["untitledSingle"].get("enum"), options, "untitledSingle")
    expect_equal(
        [each["const"] for each in fields["titledSingle"]["oneOf"]], ["value1", "value2", "value3"], "titledSingle"
    )
    expect(all(each["title"] for each in fields["titledSingle"]["oneOf"]), "a choice has no title")
    expect("enum" not in fields["titledSingle"], "titledSingle has an enum too")
    expect_equal(len(fields["legacyEnum"]["enum"]), len(fields["legacyEnum"]["enumNames"]), "names of legacyEnum")
    for name in ("untitledMulti", "titledMulti"):
        expect_equal(fields[name]["type"], "array", f"type of {name}")
    expect_equal(fields["untitledMulti"]["items"].get("enum"), options, "untitledMulti")
    expect_equal(
        [each["const"] for each in fields["titledMulti"]["items"]["anyOf"]],
        ["value1", "value2", "value3"],
        "titledMulti",
    )
    expect("enum" not in fields["titledMulti"]["items"], "titledMulti has an enum too")
    expect_equal(json.loads(text.partition("content=")[2]), chosen, "content")


@trials
async def the_clients_model_is_asked(meeting):
    peer = Peer(sample=lambda texts, limit: f"{texts[0]} Paris, of course.")
    async with meeting.open(peer) as session:
        text = await done(session, "test_sampling", {"prompt": "The capital of France?"})
    expect_equal(text, "LLM response: The capital of France? Paris, of course.", "answer")
    expect_equal(peer.samples, [(["The capital of France?"], 100)], "texts and limit")


@trials
async def the_clients_roots_are_asked_for(meeting):
    async with meeting.open(Peer(roots=[("file:///srv/one", "first"), ("file:///srv/two", None)])) as session:
        text = await done(session, "test_input_required_result_list_roots")
    for part in ("file:///srv/one", "first", "file:///srv/two"):
        expect(part in text, f"the tool got {text!r}")


@trials
async def several_questions_of_one_call_are_all_answered(meeting):
    peer = Peer(form=filled_in(name="Alice"), sample=lambda *_: "Good morning", roots=[("file:///home/alice", "home")])
    async with meeting.open(peer) as session:
        text = await done(session, "test_input_required_result_multiple_inputs")
    for part in ("Alice", "Good morning", "file:///home/alice"):
        expect(part in text, f"the tool got {text!r}")
    expect_equal((len(peer.forms), len(peer.samples)), (1, 1), "forms and samples")


@trials
async def questions_may_follow_one_another(meeting):
    def form(message, schema):
        return "accept", {name: {"name": "Alice", "color": "green"}[name] for name in schema["properties"]}

    peer = Peer(form=form)
    async with meeting.open(peer) as session:
        text = await done(session, "test_input_required_result_multi_round")
    expect("Alice" in text and "green" in text, f"the tool got {text!r}")
    expect_equal([list(schema["properties"]) for _, schema in peer.forms], [["name"], ["color"]], "forms")


@trials
async def what_a_client_does_not_offer_is_not_asked_of_it(meeting):
    async with meeting.open(Peer()) as session:
        for name, arguments in (
            ("test_elicitation", {"message": "Who?"}),
            ("test_sampling", {"prompt": "What?"}),
            ("test_input_required_result_list_roots", {}),
        ):
            if meeting.is_modern:
                expect_equal((await refusal(session.call(name, arguments))).code, MISSING_CAPABILITY, f"code of {name}")
            else:
                outcome = await session.call(name, arguments)
                expect(outcome.failed and outcome.text, f"{name} gave {outcome}")


@trials
async def a_client_that_fails_to_answer_fails_the_call_and_nothing_else(meeting):
    def form(message, schema):
        raise NoAnswer("nobody is at home")

    async with meeting.open(Peer(form=form)) as session:
        if meeting.is_modern:  # the library does not repeat a request to which it has no answers
            await refusal(session.call("test_elicitation", {"message": "Who are you?"}))
        else:
            outcome = await session.call("test_elicitation", {"message": "Who are you?"})
            expect(outcome.failed and outcome.text, f"the call gave {outcome}")
        await done(session, "test_simple_text")


# Progress and log messages


@trials
async def progress_reaches_the_function_that_waits_for_it(meeting):
    values = Heard()

    async def progress(value, total, message):
        values.add((value, total))

    async with meeting.open(Peer()) as session:
        await done(session, "test_tool_with_progress", progress=progress)
        await values.count(3, "values of progress")
    expect_equal(values, [(0, 100), (50, 100), (100, 100)], "values")


@trials
async def progress_that_nobody_asked_for_is_not_told(meeting):
    if meeting.agent.asks_for_progress:
        raise Skipped("the library always asks for it")
    peer = Peer()
    async with meeting.open(peer) as session:
        await done(session, "test_tool_with_progress")
        await done(session, "test_simple_text")
    expect_equal(peer.notices_of("notifications/progress"), [], "progress")


@trials
async def log_messages_of_the_level_asked_for_arrive_in_order(meeting):
    peer = Peer(level="info")
    async with meeting.open(peer) as session:
        if not meeting.is_modern:
            await session.set_level("info")
        await done(session, "test_tool_with_logging")
        await peer.logs.count(3, "log messages")
    expect_equal(
        peer.logs,
        [("info", "Tool execution started"), ("info", "Tool processing data"), ("info", "Tool execution completed")],
        "log messages",
    )


@trials
async def log_messages_below_the_level_do_not_arrive(meeting):
    if meeting.is_modern and not meeting.agent.sets_level:
        raise Skipped("the library asks for messages of every level")
    peer = Peer(level="warning")
    async with meeting.open(peer) as session:
        if not meeting.is_modern:
            await session.set_level("warning")
        await done(session, "test_tool_with_logging")
        await done(session, "test_simple_text")
        if not meeting.is_modern:  # the session's level can change, and then they do
            expect_equal(peer.logs, [], "log messages")
            await session.set_level("debug")
            await done(session, "test_tool_with_logging")
            await peer.logs.count(3, "log messages")
    expect_equal(len(peer.logs), 0 if meeting.is_modern else 3, "log messages")


# Calls at once


@trials
async def a_call_that_waits_for_the_user_holds_up_no_other(meeting):
    """The others are another client's: some libraries answer questions one at a time."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def form(message, schema):
        asked.set()
        await answered.wait()
        return "accept", {"username": "late", "email": "late@example.org"}

    async with meeting.open(Peer(form=form)) as session, meeting.open(Peer()) as other:
        waiting = asyncio.create_task(done(session, "test_elicitation", {"message": "Take your time"}))
        await asked.wait()
        for _ in range(3):
            await done(other, "test_simple_text")
        expect(not waiting.done(), "the call ended without its answer")
        answered.set()
        expect("late" in await waiting, "the answer did not reach the tool")


@trials
async def clients_that_use_equal_ids_at_once_each_get_their_own(meeting):
    """Questions, progress and answers of calls that overlap: nobody's question is answered before all are asked."""
    count = 8
    all_asked = asyncio.Barrier(count)

    async def one(name):
        values = []

        async def form(message, schema):
            await all_asked.wait()
            return "accept", {"username": name, "email": f"{message}@example.org"}

        async def progress(value, total, message):
            values.append(value)

        peer = Peer(form=form, sample=lambda texts, limit: f"{name} heard {texts[0]}")
        async with meeting.open(peer) as session:
            texts = await asyncio.gather(
                done(session, "test_elicitation", {"message": f"for-{name}"}),
                done(session, "test_tool_with_progress", progress=progress),
                done(session, "test_sampling", {"prompt": f"to-{name}"}),
            )
        expect(name in texts[0] and f"for-{name}@example.org" in texts[0], f"{name} got {texts[0]!r}")
        expect_equal(texts[2], f"LLM response: {name} heard to-{name}", "what the model said")
        expect_equal([message for message, _ in peer.forms], [f"for-{name}"], "forms")
        expect_equal(values, [0, 50, 100], f"progress of {name}")

    await asyncio.gather(*(one(f"client{number}") for number in range(count)))


# Changes, as clients of sessions hear of them

legacy_changes = Trials()


async def announce(session, change, times=1):
    await done(session, "announce", {"change": change, "times": times})


@legacy_changes
async def changes_of_lists_are_told(meeting):
    async with meeting.meet_listener() as (session, peer):
        for kind in ("tools", "prompts", "resources"):
            await announce(session, kind)
            await peer.notice(f"notifications/{kind}/list_changed")


@legacy_changes
async def changes_of_a_resource_are_told_while_it_is_subscribed_to(meeting):
    updated = "notifications/resources/updated"
    async with meeting.meet_listener() as (session, peer):
        await announce(session, "bench://about")
        await session.subscribe("bench://about")
        await session.subscribe("bench://about")
        await announce(session, "bench://other")
        await announce(session, "bench://about")
        expect_equal((await peer.notice(updated))["uri"], "bench://about", "uri")
        await session.unsubscribe("bench://about")
        await announce(session, "bench://about")
        await announce(session, "tools")
        await peer.notice("notifications/tools/list_changed")
        expect_equal(peer.notices_of(updated), [{"uri": "bench://about"}], "updates")


# Changes, as modern clients hear of them

modern_changes = Trials()


async def next_event(subscription):
    async with asyncio.timeout(EVENT_LIMIT):
        return await anext(subscription)


def kind_of(event):
    return type(event).__name__


@modern_changes
async def what_a_listener_asked_for_is_told_and_nothing_else(meeting):
    async with meeting.open(Peer(), "bench") as session:
        async with session.listen(prompts_list_changed=True) as prompts, session.listen(
            tools_list_changed=True, resources_list_changed=True
        ) as others:
            for kind in ("tools", "prompts", "resources", "bench://about"):
                await announce(session, kind)
            expect_equal(kind_of(await next_event(prompts)), "PromptsListChanged", "event")
            kinds = [kind_of(await next_event(others)), kind_of(await next_event(others))]
            expect_equal(sorted(kinds), ["ResourcesListChanged", "ToolsListChanged"], "events")
            await announce(session, "tools")
            await announce(session, "prompts")
            expect_equal(kind_of(await next_event(others)), "ToolsListChanged", "event")
            expect_equal(kind_of(await next_event(prompts)), "PromptsListChanged", "event")


@modern_changes
async def changes_of_the_resources_that_a_listener_named_are_told(meeting):
    async with meeting.open(Peer(), "bench") as session:
        async with session.listen(resource_subscriptions=["bench://about", "bench://more"]) as resources:
            expect_equal(sorted(resources.honored.resource_subscriptions), ["bench://about", "bench://more"], "honored")
            for uri in ("bench://other", "tools", "bench://more"):
                await announce(session, uri)
            event = await next_event(resources)
            expect_equal((kind_of(event), event.uri), ("ResourceUpdated", "bench://more"), "event")


@modern_changes
async def a_call_goes_on_beside_a_listener(meeting):
    values = Heard()

    async def progress(value, total, message):
        values.add(value)

    async with meeting.open(Peer(level="info"), "bench") as session:
        async with session.listen(tools_list_changed=True) as tools:
            talk = {"messages": 3, "bytes": 10, "pause": 20}
            expect_equal(await done(session, "talk", talk, progress=progress), "said 3", "answer")
            await announce(session, "tools")
            expect_equal(kind_of(await next_event(tools)), "ToolsListChanged", "event")
            await values.count(3, "values of progress")


# Cancellation

cancellation = Trials()


@cancellation
async def a_cancelled_call_stops(meeting):
    async with meeting.meet_alone() as (session, runs):
        await session.cancel_call("sleep", {"milliseconds": 600_000}, runs(True))
        await runs(False)
        await done(session, "echo", {"message": "and then"})


@cancellation
async def a_cancelled_call_that_speaks_stops(meeting):
    """Its stream has begun, so the end of the call has to end that too."""
    async with meeting.meet_alone() as (session, runs):
        await session.cancel_call("talk", {"messages": 100_000, "bytes": 10, "pause": 20}, runs(True))
        await runs(False)
        await done(session, "echo", {"message": "and then"})


async def ask_until(question, answer, what):
    """Asks again and again, until the answer is `answer`: only asking tells what goes on in another process."""
    try:
        async with asyncio.timeout(EVENT_LIMIT):
            while await question() != answer:
                pass
    except TimeoutError:
        raise Failure(f"not within {EVENT_LIMIT:g} s: {what}") from None


# All of them


def of_both_eras(auto, legacy, transport):
    """The trials above for a library that speaks both eras, by its meetings in each; `transport` is for their names."""
    return itertools.chain(
        *(trials.bound(f"{each.name}, {transport}", each) for each in (auto, legacy)),
        *(cancellation.bound(f"{each.name}, {transport}", each) for each in (auto, legacy)),
        modern_changes.bound(f"{auto.name}, {transport}", auto),
        legacy_changes.bound(f"{legacy.name}, {transport}", legacy),
    )

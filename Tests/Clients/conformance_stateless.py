"""Scenario `server-stateless` of the official conformance suite, probe by probe."""

import contextlib

from conformance_clients import CLIENT_INFO, CLIENT_INFO_KEY, STATELESS, Scenarios
from harness import expect, expect_equal
from transcript import CAPABILITIES_KEY, LOG_LEVEL_KEY, SUBSCRIPTION_KEY, VERSION_KEY
from wire_client import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    MODERN,
    UNSUPPORTED_VERSION,
    EventStream,
    Wire,
    encoded,
    modern_request,
    request,
)

SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
SCENARIO = "server-stateless"
# The largest id that every language can hold.
LARGE_ID = 2**53 - 1
CHANGE_LIMIT = 1.5  # seconds until a change is told

scenarios = Scenarios()


def expect_error(heard, status, code, id, what):
    expect_equal((heard.status, heard.code), (status, code), f"status and code for {what}")
    expect_equal(heard.message.get("id"), id, f"id for {what}")


@scenarios(STATELESS, of=SCENARIO)
def a_request_without_metadata_is_refused(era, servers):
    whole = {VERSION_KEY: MODERN, CLIENT_INFO_KEY: CLIENT_INFO, CAPABILITIES_KEY: {}}
    with Wire(servers.conformance, era.transcript) as wire:
        for id, missing in enumerate(("_meta", VERSION_KEY, CAPABILITIES_KEY), 101):
            meta = {name: value for name, value in whole.items() if name != missing}
            params = {} if missing == "_meta" else {"_meta": meta}
            message = request("server/discover", params, id)
            answer = wire.post(message, MCP_Protocol_Version=MODERN, Mcp_Method="server/discover")
            expect_error(answer, 400, INVALID_PARAMS, id, f"a request without {missing}")


@scenarios(STATELESS, of=SCENARIO)
def a_client_need_not_name_itself(era, servers):
    params = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}}
    with Wire(servers.conformance, era.transcript) as wire:
        message = request("server/discover", params, 104)
        answer = wire.post(message, MCP_Protocol_Version=MODERN, Mcp_Method="server/discover")
        expect(MODERN in answer.result["supportedVersions"], f"found {answer.result}")


@scenarios(STATELESS, of=SCENARIO)
def a_discovery_tells_versions_capabilities_and_the_name(era, servers):
    with era.connect(servers.conformance) as client:
        found = client.request("server/discover", capabilities={}).result
        expect(MODERN in found["supportedVersions"], f"versions: {found['supportedVersions']}")
        declared = {
            "tools": {"listChanged": True},
            "prompts": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "completions": {},
            "logging": {},
        }
        expect_equal(found["capabilities"], declared, "capabilities")
        info = found["_meta"][SERVER_INFO_KEY]
        expect(info["name"] and info["version"], f"serverInfo: {info}")


@scenarios(STATELESS, of=SCENARIO)
def what_is_declared_is_served(era, servers):
    with era.connect(servers.conformance) as client:
        expect(client.request("prompts/list", capabilities={}).result["prompts"], "no prompts")
        expect(client.request("tools/list", capabilities={}).result["tools"], "no tools")
        expect(client.request("resources/list", capabilities={}).result["resources"], "no resources")


@scenarios(STATELESS, of=SCENARIO)
def an_unsupported_version_is_answered_with_the_supported_ones(era, servers):
    with era.connect(servers.conformance) as client:
        supported = client.request("server/discover").result["supportedVersions"]
        heard = client.request(
            "server/discover", id=201, meta={VERSION_KEY: "v999.0.0"}, MCP_Protocol_Version="v999.0.0"
        )
        expect_error(heard, 400, UNSUPPORTED_VERSION, 201, "an unsupported version")
        data = heard.message["error"]["data"]
        expect(data["supported"] and set(data["supported"]) <= set(supported), f"supported: {data['supported']}")
        expect_equal(data["requested"], "v999.0.0", "requested")


@scenarios(STATELESS, of=SCENARIO)
def a_header_that_contradicts_the_version_is_refused(era, servers):
    with era.connect(servers.conformance) as client:
        heard = client.request("server/discover", id=202, meta={VERSION_KEY: "v999.0.0"}, MCP_Protocol_Version=MODERN)
        expect_error(heard, 400, HEADER_MISMATCH, 202, "a version that is not the header's")


@scenarios(STATELESS, of=SCENARIO)
def a_missing_capability_is_named(era, servers):
    with era.connect(servers.conformance) as client:
        heard = client.call("test_missing_capability", {}, capabilities={}, id=301)
        expect_error(heard, 400, MISSING_CAPABILITY, 301, "a client without sampling")
        expect_equal(heard.message["error"]["data"], {"requiredCapabilities": {"sampling": {}}}, "data")
        expect(client.call("test_missing_capability", {}, capabilities={"sampling": {}}).text, "no text")


@scenarios(STATELESS, of=SCENARIO)
def methods_of_sessions_are_unknown(era, servers):
    with era.connect(servers.conformance) as client:
        for id, (method, params) in enumerate(
            (
                ("initialize", {"protocolVersion": MODERN, "capabilities": {}, "clientInfo": CLIENT_INFO}),
                ("ping", {}),
                ("logging/setLevel", {"level": "info"}),
                ("resources/subscribe", {"uri": "test://watched-resource"}),
                ("resources/unsubscribe", {"uri": "test://watched-resource"}),
                ("unknown/method", {}),
            ),
            401,
        ):
            heard = client.request(method, params, capabilities={}, id=id)
            expect_error(heard, 404, METHOD_NOT_FOUND, id, method)


@scenarios(STATELESS, of=SCENARIO)
def a_question_is_a_result_and_never_a_request(era, servers):
    with era.connect(servers.conformance) as client:
        heard = client.call("test_streaming_elicitation", {}, capabilities={"elicitation": {}})
        expect_equal(heard.result["resultType"], "input_required", "resultType")
        expect_equal(heard.result["inputRequests"]["confirm"]["method"], "elicitation/create", "method")
        expect_equal(heard.asked, [], "requests of the server")


@scenarios(STATELESS, of=SCENARIO)
def logs_are_told_to_those_who_ask(era, servers):
    with era.connect(servers.conformance) as client:
        heard = client.call("test_logging_tool", {}, capabilities={})
        expect(heard.text, "no text")
        expect_equal(heard.notices, [], "notifications to a client that named no level")
        for level, count in (("debug", 1), ("info", 1), ("error", 0)):
            heard = client.call("test_logging_tool", {}, capabilities={}, meta={LOG_LEVEL_KEY: level})
            expect_equal(len(heard.notified("notifications/message")), count, f"log messages from {level} on")


# Subscriptions


@contextlib.contextmanager
def listening(era, servers, **wanted):
    """The stream of a subscription, acknowledged."""
    message, headers = modern_request("subscriptions/listen", {"notifications": wanted}, LARGE_ID)
    with Wire(servers.conformance, era.transcript) as wire:
        wire.start("POST", *encoded(message, headers))
        stream = wire.begin()
        expect(isinstance(stream, EventStream), f"a subscription was answered with {stream}")
        with stream:
            first = stream.message(within=CHANGE_LIMIT)
            expect_equal(first["method"], "notifications/subscriptions/acknowledged", "first message")
            expect_equal(first["params"]["notifications"], wanted, "what is acknowledged")
            expect_equal(subscription(first), LARGE_ID, "id of the subscription")
            yield stream


def subscription(message):
    return message["params"]["_meta"][SUBSCRIPTION_KEY]


def expect_change(stream, kind):
    message = stream.message(within=CHANGE_LIMIT)
    expect_equal(message["method"], f"notifications/{kind}/list_changed", "the next message")
    expect_equal(subscription(message), LARGE_ID, "id of the subscription")


@scenarios(STATELESS, of=SCENARIO)
def a_change_of_the_tools_is_told_on_other_connections(era, servers):
    with era.connect(servers.conformance) as client, listening(era, servers, toolsListChanged=True) as stream:
        expect(client.call("test_trigger_tool_change", {}).text, "no text")
        expect_change(stream, "tools")


@scenarios(STATELESS, of=SCENARIO)
def a_change_of_the_prompts_is_told_on_other_connections(era, servers):
    with era.connect(servers.conformance) as client, listening(era, servers, promptsListChanged=True) as stream:
        expect(client.call("test_trigger_prompt_change", {}).text, "no text")
        expect_change(stream, "prompts")


@scenarios(STATELESS, of=SCENARIO)
def changes_that_nobody_asked_for_are_not_told(era, servers):
    with (
        era.connect(servers.conformance) as client,
        listening(era, servers, promptsListChanged=True) as prompts,
        listening(era, servers, toolsListChanged=True) as tools,
        listening(era, servers, toolsListChanged=True, promptsListChanged=True) as both,
    ):
        # Changes are told in the order in which they are announced, so what comes first tells what never came.
        client.call("test_trigger_tool_change", {})
        client.call("test_trigger_prompt_change", {})
        expect_change(prompts, "prompts")
        expect_change(both, "tools")
        expect_change(both, "prompts")
        expect_change(tools, "tools")
        client.call("test_trigger_tool_change", {})
        expect_change(tools, "tools")

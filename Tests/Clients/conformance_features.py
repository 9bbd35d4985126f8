"""Scenarios of the official conformance suite: tools, resources, prompts and completion."""

import base64
import re

from conformance_clients import NEWEST_SESSION, SESSIONS, STATELESS, Scenarios
from harness import expect, expect_equal
from wire_client import INVALID_PARAMS

TOOLS = """
test_simple_text test_image_content test_audio_content test_embedded_resource test_multiple_content_types
test_error_handling test_tool_with_progress json_schema_2020_12_tool test_tool_with_logging test_sampling
test_elicitation test_elicitation_sep1034_defaults test_elicitation_sep1330_enums test_reconnection
test_missing_capability test_streaming_elicitation test_logging_tool test_trigger_tool_change
test_trigger_prompt_change test_input_required_result_elicitation test_input_required_result_sampling
test_input_required_result_list_roots test_input_required_result_request_state
test_input_required_result_multiple_inputs test_input_required_result_multi_round
test_input_required_result_tampered_state test_input_required_result_capabilities
""".split()

PROMPTS = """
test_simple_prompt test_prompt_with_arguments test_prompt_with_embedded_resource test_prompt_with_image
test_input_required_result_prompt
""".split()

TEXT, BINARY, WATCHED = "test://static-text", "test://static-binary", "test://watched-resource"
TEMPLATE = "test://template/{id}/data"

CONTACT_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

scenarios = Scenarios()


@scenarios(SESSIONS)
def ping(era, servers):
    with era.connect(servers.conformance) as client:
        expect_equal(client.request("ping").result, {}, "ping")


@scenarios(SESSIONS)
def logging_set_level(era, servers):
    with era.connect(servers.conformance) as client:
        expect_equal(client.request("logging/setLevel", {"level": "info"}).result, {}, "logging/setLevel")


@scenarios(SESSIONS, STATELESS)
def completion_complete(era, servers):
    with era.connect(servers.conformance) as client:
        reference = {"type": "ref/prompt", "name": "test_prompt_with_arguments"}
        argument = {"name": "arg1", "value": "test"}
        result = client.request("completion/complete", {"ref": reference, "argument": argument}).result
        expect_equal(result["completion"]["values"], ["test", "testing"], "values")


# Tools


@scenarios(SESSIONS, STATELESS)
def tools_list(era, servers):
    with era.connect(servers.conformance) as client:
        tools = client.request("tools/list").result["tools"]
        names = [tool["name"] for tool in tools]
        expect(not set(TOOLS) - set(names), f"missing: {sorted(set(TOOLS) - set(names))}")
        expect_equal(names[0], TOOLS[0], "the first tool")
        expect_equal(len(set(names)), len(names), "different names")
        for tool in tools:
            expect(re.fullmatch(r"[A-Za-z0-9_./-]{1,64}", tool["name"]), f"the name {tool['name']!r}")
            expect(tool.get("description"), f"{tool['name']} has no description")
            expect_equal(tool["inputSchema"]["type"], "object", f"the schema of {tool['name']}")


@scenarios(SESSIONS, STATELESS)
def tools_call_simple_text(era, servers):
    with era.connect(servers.conformance) as client:
        block = {"type": "text", "text": "This is a simple text response for testing."}
        expect_equal(client.call("test_simple_text").content, [block], "content without arguments")
        expect_equal(client.call("test_simple_text", {}).content, [block], "content with no arguments")


def expect_png(block):
    expect_equal((block["type"], block["mimeType"]), ("image", "image/png"), "type of an image")
    expect(base64.b64decode(block["data"], validate=True).startswith(b"\x89PNG\r\n\x1a\n"), "no PNG")


@scenarios(SESSIONS, STATELESS)
def tools_call_image(era, servers):
    with era.connect(servers.conformance) as client:
        (block,) = client.call("test_image_content").content
        expect_png(block)


@scenarios(SESSIONS, STATELESS)
def tools_call_audio(era, servers):
    with era.connect(servers.conformance) as client:
        (block,) = client.call("test_audio_content").content
        expect_equal((block["type"], block["mimeType"]), ("audio", "audio/wav"), "type of a sound")
        data = base64.b64decode(block["data"], validate=True)
        expect_equal((data[:4], data[8:12]), (b"RIFF", b"WAVE"), "marks of a WAV file")
        expect_equal(int.from_bytes(data[4:8], "little"), len(data) - 8, "length that the file says it has")


@scenarios(SESSIONS, STATELESS)
def tools_call_embedded_resource(era, servers):
    with era.connect(servers.conformance) as client:
        (block,) = client.call("test_embedded_resource").content
        text = "This is an embedded resource content."
        resource = {"uri": "test://embedded-resource", "mimeType": "text/plain", "text": text}
        expect_equal(block, {"type": "resource", "resource": resource}, "block")


@scenarios(SESSIONS, STATELESS)
def tools_call_mixed_content(era, servers):
    with era.connect(servers.conformance) as client:
        text, image, resource = client.call("test_multiple_content_types").content
        expect_equal(text, {"type": "text", "text": "Multiple content types test:"}, "first block")
        expect_png(image)
        contents = {
            "uri": "test://mixed-content-resource",
            "mimeType": "application/json",
            "text": '{"test":"data","value":123}',
        }
        expect_equal(resource, {"type": "resource", "resource": contents}, "third block")


@scenarios(SESSIONS, STATELESS)
def tools_call_error(era, servers):
    with era.connect(servers.conformance) as client:
        result = client.call("test_error_handling").result
        expect_equal(result.get("isError"), True, "isError")
        text = "This tool intentionally returns an error for testing"
        expect_equal(result["content"][0], {"type": "text", "text": text}, "first block")


@scenarios(SESSIONS)
def tools_call_with_logging(era, servers):
    with era.connect(servers.conformance) as client:
        client.request("logging/setLevel", {"level": "debug"})
        heard = client.call("test_tool_with_logging")
        expect(heard.content, "no content")
        texts = ["Tool execution started", "Tool processing data", "Tool execution completed"]
        logged = [(each["level"], each["data"]) for each in heard.notified("notifications/message")]
        expect_equal(logged, [("info", text) for text in texts], "log messages")


@scenarios(SESSIONS, STATELESS)
def tools_call_with_progress(era, servers):
    with era.connect(servers.conformance) as client:
        heard = client.call("test_tool_with_progress", params={"_meta": {"progressToken": "progress-test-1"}})
        expect(heard.content, "no content")
        told = [
            (each["progressToken"], each["progress"], each["total"])
            for each in heard.notified("notifications/progress")
        ]
        expect_equal(told, [("progress-test-1", progress, 100) for progress in (0, 50, 100)], "progress")
        expect_equal(client.call("test_tool_with_progress").notices, [], "progress that nobody asked for")


@scenarios(NEWEST_SESSION, STATELESS)
def json_schema_2020_12(era, servers):
    with era.connect(servers.conformance) as client:
        tools = {tool["name"]: tool for tool in client.request("tools/list").result["tools"]}
        expect_equal(tools["json_schema_2020_12_tool"]["inputSchema"], CONTACT_SCHEMA, "schema")
        expect(client.call("json_schema_2020_12_tool", {"email": "a@example.com"}).content, "no content")


# Resources


@scenarios(SESSIONS, STATELESS)
def resources_list(era, servers):
    with era.connect(servers.conformance) as client:
        resources = client.request("resources/list").result["resources"]
        expect_equal([each["uri"] for each in resources], [TEXT, BINARY, WATCHED], "URIs")
        expect(all(each["name"] and each["description"] for each in resources), "a name or description is missing")


@scenarios(SESSIONS, STATELESS)
def resources_read_text(era, servers):
    with era.connect(servers.conformance) as client:
        contents = client.request("resources/read", {"uri": TEXT}).result["contents"]
        text = "This is the content of the static text resource."
        expect_equal(contents, [{"uri": TEXT, "mimeType": "text/plain", "text": text}], "contents")


@scenarios(SESSIONS, STATELESS)
def resources_read_binary(era, servers):
    with era.connect(servers.conformance) as client:
        (contents,) = client.request("resources/read", {"uri": BINARY}).result["contents"]
        expect_equal((contents["uri"], contents["mimeType"]), (BINARY, "image/png"), "URI and type")
        expect(base64.b64decode(contents["blob"], validate=True).startswith(b"\x89PNG"), "no PNG")


@scenarios(SESSIONS, STATELESS)
def resources_templates_read(era, servers):
    with era.connect(servers.conformance) as client:
        templates = client.request("resources/templates/list").result["resourceTemplates"]
        expect_equal([each["uriTemplate"] for each in templates], [TEMPLATE], "templates")
        uri = TEMPLATE.replace("{id}", "123")
        (contents,) = client.request("resources/read", {"uri": uri}).result["contents"]
        text = '{"id":"123","templateTest":true,"data":"Data for ID: 123"}'
        expect_equal(contents, {"uri": uri, "mimeType": "application/json", "text": text}, "contents")


@scenarios(SESSIONS)
def resources_subscribe(era, servers):
    with era.connect(servers.conformance) as client:
        expect_equal(client.request("resources/subscribe", {"uri": WATCHED}).result, {}, "resources/subscribe")


@scenarios(SESSIONS)
def resources_unsubscribe(era, servers):
    with era.connect(servers.conformance) as client:
        for method in ("resources/subscribe", "resources/unsubscribe"):
            expect_equal(client.request(method, {"uri": WATCHED}).result, {}, method)


@scenarios(STATELESS)
def sep_2164_resource_not_found(era, servers):
    uri = "test://nonexistent-resource-for-conformance-testing"
    with era.connect(servers.conformance) as client:
        heard = client.request("resources/read", {"uri": uri})
        expect_equal(heard.code, INVALID_PARAMS, "code")
        expect_equal(heard.message["error"]["data"]["uri"], uri, "data.uri")


# Prompts


def prompt_messages(client, name, **arguments):
    """The roles and contents of a prompt's messages."""
    params = {"name": name} | ({"arguments": arguments} if arguments else {})
    messages = client.request("prompts/get", params).result["messages"]
    return [(message["role"], message["content"]) for message in messages]


def user(text):
    return "user", {"type": "text", "text": text}


@scenarios(SESSIONS, STATELESS)
def prompts_list(era, servers):
    with era.connect(servers.conformance) as client:
        prompts = client.request("prompts/list").result["prompts"]
        expect_equal([prompt["name"] for prompt in prompts], PROMPTS, "names")
        expect(all(prompt["description"] for prompt in prompts), "a description is missing")


@scenarios(SESSIONS, STATELESS)
def prompts_get_simple(era, servers):
    with era.connect(servers.conformance) as client:
        messages = prompt_messages(client, "test_simple_prompt")
        expect_equal(messages, [user("This is a simple prompt for testing.")], "messages")


@scenarios(SESSIONS, STATELESS)
def prompts_get_with_args(era, servers):
    with era.connect(servers.conformance) as client:
        messages = prompt_messages(client, "test_prompt_with_arguments", arg1="testValue1", arg2="testValue2")
        expect_equal(messages, [user("Prompt with arguments: arg1='testValue1', arg2='testValue2'")], "messages")


@scenarios(SESSIONS, STATELESS)
def prompts_get_embedded_resource(era, servers):
    uri = "test://example-resource"
    with era.connect(servers.conformance) as client:
        first, second = prompt_messages(client, "test_prompt_with_embedded_resource", resourceUri=uri)
        contents = {"uri": uri, "mimeType": "text/plain", "text": "Embedded resource content for testing."}
        expect_equal(first, ("user", {"type": "resource", "resource": contents}), "first message")
        expect_equal(second, user("Please process the embedded resource above."), "second message")


@scenarios(SESSIONS, STATELESS)
def prompts_get_with_image(era, servers):
    with era.connect(servers.conformance) as client:
        (role, image), second = prompt_messages(client, "test_prompt_with_image")
        expect_equal(role, "user", "role")
        expect_png(image)
        expect_equal(second, user("Please analyze the image above."), "second message")


# Caching


@scenarios(STATELESS)
def caching(era, servers):
    with era.connect(servers.conformance) as client:
        uri = client.request("resources/list").result["resources"][0]["uri"]
        for method, params in (
            ("tools/list", None),
            ("prompts/list", None),
            ("resources/list", None),
            ("resources/templates/list", None),
            ("resources/read", {"uri": uri}),
        ):
            result = client.request(method, params).result
            time = result["ttlMs"]
            expect(type(time) is int and time >= 0, f"ttlMs of {method} is {time!r}")
            expect(result["cacheScope"] in ("public", "private"), f"cacheScope of {method}")

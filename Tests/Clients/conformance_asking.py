"""Scenarios of the official conformance suite: servers that ask the clients of sessions."""

from conformance_clients import NEWEST_SESSION, SESSIONS, Scenarios
from harness import expect, expect_equal

scenarios = Scenarios()


def accept(**content):
    return {"action": "accept", "content": content}


def asked_form(heard, message=None):
    """The properties of the one form that the server asked to be filled in."""
    (asked,) = heard.asked
    expect_equal(asked["method"], "elicitation/create", "method")
    if message is not None:
        expect_equal(asked["params"]["message"], message, "message")
    schema = asked["params"]["requestedSchema"]
    expect_equal(schema["type"], "object", "type of the schema")
    return schema


@scenarios(SESSIONS)
def tools_call_sampling(era, servers):
    said = {"role": "assistant", "content": {"type": "text", "text": "A test response."}, "model": "test-model"}
    with era.connect(servers.conformance) as client:
        arguments = {"prompt": "Test prompt for sampling"}
        heard = client.call("test_sampling", arguments, answers={"sampling/createMessage": said})
        (asked,) = heard.asked
        message = {"role": "user", "content": {"type": "text", "text": "Test prompt for sampling"}}
        expect_equal(asked["params"]["messages"], [message], "messages")
        expect_equal(asked["params"]["maxTokens"], 100, "maxTokens")
        expect_equal(heard.text, "LLM response: A test response.", "text")


@scenarios(SESSIONS)
def tools_call_elicitation(era, servers):
    content = {"username": "testuser", "email": "test@example.com"}
    with era.connect(servers.conformance) as client:
        arguments = {"message": "Please provide your information"}
        heard = client.call("test_elicitation", arguments, answers={"elicitation/create": accept(**content)})
        schema = asked_form(heard, "Please provide your information")
        types = {name: each["type"] for name, each in schema["properties"].items()}
        expect_equal(types, {"username": "string", "email": "string"}, "fields")
        expect_equal(schema["required"], ["username", "email"], "required")
        expect("accept" in heard.text and "testuser" in heard.text, f"the answer is lost: {heard.text}")
        for action in ("decline", "cancel"):
            refused = client.call("test_elicitation", arguments, answers={"elicitation/create": {"action": action}})
            expect(action in refused.text, f"after {action} the tool says {refused.text!r}")


@scenarios(NEWEST_SESSION)
def elicitation_sep1034_defaults(era, servers):
    content = {"name": "Jane Smith", "age": 25, "score": 88, "status": "inactive", "verified": False}
    with era.connect(servers.conformance) as client:
        answers = {"elicitation/create": accept(**content)}
        heard = client.call("test_elicitation_sep1034_defaults", {}, answers=answers)
        fields = asked_form(heard)["properties"]
        expected = {
            "name": ("string", "John Doe"),
            "age": ("integer", 30),
            "score": ("number", 95.5),
            "status": ("string", "active"),
            "verified": ("boolean", True),
        }
        expect_equal({name: (each["type"], each["default"]) for name, each in fields.items()}, expected, "fields")
        expect_equal(fields["status"]["enum"], ["active", "inactive", "pending"], "choices")
        expect("action=accept" in heard.text and "Jane Smith" in heard.text, f"the answer is lost: {heard.text}")


@scenarios(NEWEST_SESSION)
def elicitation_sep1330_enums(era, servers):
    content = {
        "untitledSingle": "option1",
        "titledSingle": "value1",
        "legacyEnum": "opt1",
        "untitledMulti": ["option1", "option2"],
        "titledMulti": ["value1", "value2"],
    }
    options = ["option1", "option2", "option3"]
    with era.connect(servers.conformance) as client:
        answers = {"elicitation/create": accept(**content)}
        heard = client.call("test_elicitation_sep1330_enums", {}, answers=answers)
        fields = asked_form(heard)["properties"]
        expected = {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled("First Option", "Second Option", "Third Option")},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {
                "type": "array",
                "items": {"anyOf": titled("First Choice", "Second Choice", "Third Choice")},
            },
        }
        expect_equal(fields, expected, "fields")
        expect("action=accept" in heard.text, f"the answer is lost: {heard.text}")


def titled(*titles):
    return [{"const": f"value{number}", "title": title} for number, title in enumerate(titles, 1)]

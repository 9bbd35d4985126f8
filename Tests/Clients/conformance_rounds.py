"""Scenarios of the official conformance suite: calls that are answered with questions until all are answered."""

from conformance_asking import accept
from conformance_clients import STATELESS, Scenarios
from harness import expect, expect_equal
from wire_client import INVALID_PARAMS

SAID = {
    "role": "assistant",
    "content": {"type": "text", "text": "Paris."},
    "model": "test-model",
    "stopReason": "endTurn",
}
ROOTS = {"roots": [{"uri": "file:///test/root", "name": "Test Root"}]}

scenarios = Scenarios()


class Rounds:
    """The rounds of one tool or prompt."""

    def __init__(self, client, name, method="tools/call"):
        self._client, self._name, self._method = client, f"test_input_required_result_{name}", method

    def heard(self, state=None, capabilities=None, **members):
        """What comes of the next round; `members` of the parameters, such as `inputResponses`."""
        params = {"name": self._name} | ({"arguments": {}} if self._method == "tools/call" else {}) | members
        if state is not None:
            params["requestState"] = state
        return self._client.request(self._method, params, capabilities=capabilities)

    def asked(self, *keys, **options):
        """The questions of a round that must ask for `keys`, and its state."""
        result = self.heard(**options).result
        expect_equal(result["resultType"], "input_required", "resultType")
        expect_equal(list(result["inputRequests"]), list(keys), "keys")
        return result["inputRequests"], result.get("requestState")

    def completed(self, **options):
        """The result of a round that must be the last."""
        result = self.heard(**options).result
        expect_equal(result["resultType"], "complete", "resultType")
        expect(not result.get("isError"), f"the tool failed: {result}")
        return result


def text_of(result):
    return "".join(block["text"] for block in result["content"])


def expect_form(asked, message, name, kind):
    """A question is a form with one required field."""
    expect_equal(asked["method"], "elicitation/create", "method")
    expect_equal(asked["params"]["message"], message, "message")
    schema = asked["params"]["requestedSchema"]
    expect_equal(schema["properties"][name]["type"], kind, f"type of {name}")
    expect_equal(schema["required"], [name], "required")


@scenarios(STATELESS)
def input_required_result_basic_elicitation(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "elicitation")
        asked, state = rounds.asked("user_name")
        expect_form(asked["user_name"], "What is your name?", "name", "string")
        result = rounds.completed(state=state, inputResponses={"user_name": accept(name="Alice")})
        expect_equal(text_of(result), "Hello, Alice!", "text")


@scenarios(STATELESS)
def input_required_result_basic_sampling(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "sampling")
        asked, state = rounds.asked("capital_question")
        expect_equal(asked["capital_question"]["method"], "sampling/createMessage", "method")
        params = asked["capital_question"]["params"]
        text = {"type": "text", "text": "What is the capital of France?"}
        expect_equal(params["messages"], [{"role": "user", "content": text}], "messages")
        expect_equal(params["maxTokens"], 100, "maxTokens")
        result = rounds.completed(state=state, inputResponses={"capital_question": SAID})
        expect("Paris" in text_of(result), f"the answer is lost: {result}")


@scenarios(STATELESS)
def input_required_result_basic_list_roots(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "list_roots")
        asked, state = rounds.asked("client_roots")
        expect_equal(asked["client_roots"], {"method": "roots/list", "params": {}}, "question")
        result = rounds.completed(state=state, inputResponses={"client_roots": ROOTS})
        expect("file:///test/root" in text_of(result), f"the roots are lost: {result}")


@scenarios(STATELESS)
def input_required_result_request_state(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "request_state")
        asked, state = rounds.asked("confirm")
        expect_form(asked["confirm"], "Please confirm.", "ok", "boolean")
        expect(isinstance(state, str) and state, f"the state is {state!r}")
        result = rounds.completed(state=state, inputResponses={"confirm": accept(ok=True)})
        expect("state-ok" in text_of(result), f"the text is {text_of(result)!r}")


@scenarios(STATELESS)
def input_required_result_multiple_input_requests(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "multiple_inputs")
        asked, state = rounds.asked("user_name", "greeting", "client_roots")
        expect_form(asked["user_name"], "What is your name?", "name", "string")
        expect_equal(asked["greeting"]["method"], "sampling/createMessage", "method")
        expect_equal(asked["greeting"]["params"]["maxTokens"], 50, "maxTokens")
        expect_equal(asked["client_roots"]["method"], "roots/list", "method")
        expect(isinstance(state, str) and state, f"the state is {state!r}")
        responses = {"user_name": accept(name="Alice"), "greeting": SAID, "client_roots": ROOTS}
        text = text_of(rounds.completed(state=state, inputResponses=responses))
        expect(all(part in text for part in ("Alice", "Paris", "file:///test/root")), f"an answer is lost: {text!r}")
        # What one round brought need not be brought again.
        _, state = rounds.asked("greeting", "client_roots", inputResponses={"user_name": accept(name="Alice")})
        _, state = rounds.asked("client_roots", state=state, inputResponses={"greeting": SAID})
        expect_equal(text_of(rounds.completed(state=state, inputResponses={"client_roots": ROOTS})), text, "text")


@scenarios(STATELESS)
def input_required_result_multi_round(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "multi_round")
        asked, first = rounds.asked("step1")
        expect_form(asked["step1"], "What is your name?", "name", "string")
        asked, second = rounds.asked("step2", state=first, inputResponses={"step1": accept(name="Alice")})
        expect_form(asked["step2"], "What is your favorite color?", "color", "string")
        expect(isinstance(first, str) and isinstance(second, str) and first != second, "the state did not change")
        text = text_of(rounds.completed(state=second, inputResponses={"step2": accept(color="blue")}))
        expect("Alice" in text and "blue" in text, f"an answer is lost: {text!r}")


@scenarios(STATELESS)
def input_required_result_missing_input_response(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "elicitation")
        _, state = rounds.asked("user_name")
        rounds.asked("user_name", state=state, inputResponses={"wrong_key": accept(name="Alice")})


@scenarios(STATELESS)
def input_required_result_non_tool_request(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "prompt", method="prompts/get")
        asked, state = rounds.asked("user_context")
        expect_form(asked["user_context"], "What context should the prompt use?", "context", "string")
        result = rounds.completed(state=state, inputResponses={"user_context": accept(context="test context")})
        texts = [message["content"]["text"] for message in result["messages"]]
        expect(any("test context" in text for text in texts), f"the context is lost: {texts}")


@scenarios(STATELESS)
def input_required_result_result_type(era, servers):
    with era.connect(servers.conformance) as client:
        result = Rounds(client, "elicitation").heard().result
        expect_equal(result["resultType"], "input_required", "resultType")
        expect("inputRequests" in result or "requestState" in result, f"nothing is asked: {result}")
        expect("content" not in result, f"an answer came with the question: {result}")


@scenarios(STATELESS)
def input_required_result_unsupported_methods(era, servers):
    with era.connect(servers.conformance) as client:
        for method in ("tools/list", "prompts/list"):
            expect_equal(client.request(method).result["resultType"], "complete", f"resultType of {method}")


@scenarios(STATELESS)
def input_required_result_tampered_state(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "tampered_state")
        _, state = rounds.asked("confirm")
        responses = {"confirm": accept(ok=True)}
        middle = len(state) // 2
        other = "A" if state[middle] != "A" else "B"
        for altered in (state + "-TAMPERED", state[:-1], state[:middle] + other + state[middle + 1 :], "", "x"):
            heard = rounds.heard(state=altered, inputResponses=responses)
            expect_equal(heard.code, INVALID_PARAMS, f"code for {altered[-12:]!r}")
        foreign = Rounds(client, "request_state").heard(state=state, inputResponses=responses)
        expect_equal(foreign.code, INVALID_PARAMS, "code for the state of another tool")
        expect("state-ok" in text_of(rounds.completed(state=state, inputResponses=responses)), "the true state fails")


@scenarios(STATELESS)
def input_required_result_capability_check(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "capabilities")
        asked, _ = rounds.asked("capital_question", capabilities={"sampling": {}})
        expect_equal(asked["capital_question"]["method"], "sampling/createMessage", "method")
        asked, _ = rounds.asked("user_name", capabilities={"elicitation": {}})
        expect_equal(asked["user_name"]["method"], "elicitation/create", "method")
        rounds.completed(capabilities={})


@scenarios(STATELESS)
def input_required_result_ignore_extra_params(era, servers):
    with era.connect(servers.conformance) as client:
        responses = {"user_name": accept(name="Alice"), "extra_key": accept(name="Bob"), "more": {"roots": []}}
        result = Rounds(client, "elicitation").completed(inputResponses=responses)
        expect_equal(text_of(result), "Hello, Alice!", "text")


@scenarios(STATELESS)
def input_required_result_validate_input(era, servers):
    with era.connect(servers.conformance) as client:
        rounds = Rounds(client, "elicitation")
        _, state = rounds.asked("user_name")
        nonsense = (
            {"user_name": 12345},
            None,
            {"user_name": {"action": "accept", "content": {"name": 7}}},
            {"user_name": {"action": "accept"}},
            {"user_name": {"action": "perhaps"}},
            {"user_name": {}},
        )
        for responses in nonsense:
            for known in (state, None):
                heard = rounds.heard(state=known, inputResponses=responses)
                if "error" in heard.message:
                    expect_equal(heard.code, INVALID_PARAMS, f"code for {responses}")
                else:
                    expect_equal(heard.result["resultType"], "input_required", f"resultType for {responses}")

"""Trials of children that break: over their cap, against the protocol, at their start."""

import contextlib
import json
import pathlib
import shutil
import tempfile
import threading
import time

import processes
from harness import Skipped, Trials, expect, expect_equal, until
from hosted import SERVERS, python

trials = Trials()
repetitions = 10  # how often a child goes over its cap
PROMPT = 2.0  # seconds in which a refusal has come
CAP = ("--child-memory", "96MiB")


# Memory


@trials
def a_child_over_its_cap_dies_alone_with_an_error_that_says_so(hosts):
    with hosts(python("eater.py"), *CAP) as host:
        has_ended, failures, count = threading.Event(), [], [0, 0]

        def neighbour(index):
            with hosts.session(host) as client:
                pid = client.done("hello")
                while not has_ended.is_set():
                    try:
                        expect_equal(client.done("hello"), pid, "the neighbour's process")
                        count[index] += 1
                    except Exception as error:  # of any kind: no neighbour is to notice
                        failures.append(str(error))
                        return

        neighbours = [threading.Thread(target=neighbour, args=(index,)) for index in range(2)]
        for each in neighbours:
            each.start()
        try:
            for round in range(repetitions):
                with hosts.session(host) as client:
                    pid = int(client.done("hello"))
                    expect_over_cap(client.call("eat", mebibytes=400), f"round {round}")
                    expect(processes.Process.of(pid) is None, f"in round {round} the child still runs")
                    again = int(client.done("hello"))  # whoever comes next does not notice, but for what is lost
                    expect(again != pid, "the next call reached the same process")
                    client.end()
        finally:
            has_ended.set()
            for each in neighbours:
                each.join()
        expect_equal(failures, [], "failures of neighbours")
        expect(min(count) > repetitions, f"neighbours made {count} calls")
        expect(host.process.poll() is None, "Torpor ended")
        print(f"     {repetitions} children ended; the neighbours made {sum(count)} calls", flush=True)


def expect_over_cap(answer, what):
    """A call that took its child over the cap: an error that names the cap and the flag."""
    error = answer.message.get("error")
    text = error["message"] if error else json.dumps(answer.message["result"], ensure_ascii=False)
    expect(error or answer.message["result"].get("isError"), f"{what}: no error but {text:.200}")
    says_so = "96" in text and "MiB" in text and "--child-memory" in text
    expect(says_so, f"{what}: the error says too little: {text:.300}")


@trials
def what_a_child_starts_counts_against_its_cap(hosts):
    with hosts(python("eater.py"), *CAP) as host, hosts.session(host) as client, hosts.session(host) as neighbour:
        neighbour.done("hello")
        expect_over_cap(client.call("let_eat", mebibytes=400), "ten processes of 40 MiB each")
        expect_equal(int(neighbour.done("hello")) > 0, True, "the neighbour")


@trials
def the_same_session_goes_over_its_cap_again_and_again(hosts):
    with hosts(python("eater.py"), *CAP) as host, hosts.session(host) as client, hosts.session(host) as neighbour:
        neighbour.done("hello")
        refusals = 0
        for round in range(8):
            began = time.monotonic()
            answer = client.call("eat", mebibytes=400)
            if "cannot be started" in str(answer.message):
                # It may be told to wait, at once and with a time: that key has lost several in a row.
                expect(time.monotonic() - began < PROMPT, "the refusal was slow")
                expect("retry-after" in answer.headers, f"no Retry-After: {answer}")
                refusals += 1
            else:
                expect_over_cap(answer, f"round {round}")
            neighbour.done("hello")
        with hosts.session(host) as stranger:
            stranger.done("hello")
        print(f"     of 8 calls {refusals} were refused", flush=True)


@trials
def the_default_cap_lets_node_start(hosts):
    if shutil.which("node") is None:
        raise Skipped("there is no node")
    with hosts([shutil.which("node"), str(SERVERS / "plain.mjs")]) as host, hosts.session(host) as client:
        expect("hello from v" in client.done("hello"), "the greeting")


@trials
def a_launcher_runs_by_its_default_cap(hosts):
    """npm itself takes more memory than many servers, and stays beside the server that it starts."""
    if shutil.which("npx") is None:
        raise Skipped("there is no npx")
    command = ["npx", "--offline", "-c", f"node {SERVERS / 'plain.mjs'}"]
    with hosts(command) as host, hosts.session(host) as client:
        expect("hello from v" in client.done("hello"), "the greeting")


@trials
def uvx_runs_by_its_default_cap(hosts):
    uvx = SERVERS.parents[2] / ".venvs" / "servers" / "bin" / "uvx"
    command = [str(uvx), "--offline", "--python", "python3", "python", str(SERVERS / "babbler.py")]
    with hosts(command) as host, hosts.session(host) as client:
        client.done("hello")


# Starts


@contextlib.contextmanager
def flag():
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder) / "flag"


@trials
def starts_that_fail_turn_readiness_red_with_the_reason_until_one_succeeds(hosts):
    with flag() as file, hosts(python("flaky.py", file)) as host:
        expect_equal(host.readiness()[0], 200, "readiness at first")
        sessions = [hosts.session(host) for _ in range(8)]
        old = sessions.pop()
        old.done("hello")
        file.touch()
        first = sessions[0].call("hello")
        # Some clients of the legacy era would take an error of HTTP for the end of the session.
        expect_equal(first.status, 200, f"status of a call whose child does not start ({first.message})")
        for client in sessions[1:]:
            client.call("hello")
        status, text = until(
            lambda: (ready := host.readiness())[0] == 503 and ready, lambda: f"red: {host.readiness()}", limit=15
        )
        expect("database of dreams" in text, f"readiness does not say why: {text}")
        # Nobody waits for what does not come, or is told nothing.
        for client in sessions[:3]:
            began = time.monotonic()
            answer = client.call("hello")
            expect_equal(answer.status, 200, f"status ({answer.message})")
            expect(time.monotonic() - began < PROMPT, f"a refusal took {time.monotonic() - began:.1f} s")
            expect("retry-after" in answer.headers, f"no Retry-After: {answer.headers}")
            # What another client's start has said is the operator's to read.
            expect("cannot be started" in str(answer.message), f"the refusal says too little: {answer.message}")
        old.done("hello")  # whoever has a child does not notice
        file.unlink()
        began = time.monotonic()

        def works():
            return "result" in sessions[0].call("hello").message

        until(works, "calls work again", limit=30)
        until(lambda: host.readiness()[0] == 200, lambda: f"green: {host.readiness()}", limit=15)
        print(f"     green {time.monotonic() - began:.1f} s after the cause was gone", flush=True)
        for client in sessions:
            client.done("hello")


@trials
def a_program_that_is_not_there_is_named(hosts):
    with hosts(["/nowhere/no-such-program", "--flag"]) as host, hosts.visitor(host) as client:
        began = time.monotonic()
        answer = client.ask("tools/list")
        expect_equal(answer.status, 503, f"status ({answer.message})")
        expect("/nowhere/no-such-program" in str(answer.message), f"the program is not named: {answer.message}")
        expect(time.monotonic() - began < 5, "the refusal was slow")
        status, text = until(lambda: (ready := host.readiness())[0] == 503 and ready, "readiness is red")
        expect("no-such-program" in text, f"readiness does not say why: {text}")


@trials
def a_program_that_never_answers_is_given_up(hosts):
    options = ("--child-start-timeout", "2s")
    with hosts(["sleep", "600"], *options) as host, hosts.visitor(host) as client:
        began = time.monotonic()
        answer = client.ask("tools/list")
        expect_equal(answer.status, 503, f"status ({answer.message})")
        expect(time.monotonic() - began < 10, f"it took {time.monotonic() - began:.1f} s")
        expect("did not introduce itself" in str(answer.message), f"no reason: {answer.message}")
        print(f"     refused after {time.monotonic() - began:.1f} s: {answer.message['error']['message']}", flush=True)


@trials
def noise_before_the_first_answer_and_shyness_about_the_era_do_not_matter(hosts):
    for arguments in (["--noisy"], ["--shy"], ["--noisy", "--shy"]):
        with hosts(python("babbler.py", *arguments)) as host, hosts.session(host) as client:
            client.done("hello")
            with hosts.visitor(host) as visitor:
                visitor.done("hello")


# Words


BABBLER = ("--call-timeout", "3s")


def on_babbler(function):
    """A trial with a session and a handle on a `babbler`, which must both work afterwards."""

    def trial(hosts):
        with hosts(python("babbler.py"), *BABBLER) as host:
            for client in (hosts.session(host), hosts.visitor(host)):
                with client:
                    pid = client.done("hello")
                    lives = function(client)
                    after = client.done("hello")
                    if lives is not None:
                        expect_equal(after == pid, lives, f"whether the child of {type(client).__name__} lives on")

    trial.__name__ = function.__name__
    return trials(trial)


@on_babbler
def junk_between_messages_is_overlooked(client):
    expect_equal(client.done("junk"), "sane", "answer after junk")
    return True


@on_babbler
def a_huge_line_is_overlooked(client):
    expect_equal(client.done("huge_line"), "sane", "answer after a huge line")
    return True


@on_babbler
def a_huge_answer_is_an_error_that_says_so(client):
    error = client.call("huge_answer").message["error"]
    expect("large" in error["message"] or "MiB" in error["message"], f"the error says too little: {error}")


@on_babbler
def a_big_answer_arrives(client):
    expect_equal(len(client.done("big_answer", bytes=8 << 20)), 8 << 20, "bytes")
    return True


@on_babbler
def answers_that_nobody_asked_for_are_overlooked(client):
    expect_equal(client.done("strangers"), "sane", "answer after strange ones")
    expect_equal(client.done("twice"), "first", "answer of two")
    return True


@on_babbler
def an_answer_that_is_none_is_an_error(client):
    for tool in ("neither", "both"):
        began = time.monotonic()
        message = client.call(tool).message
        expect("error" in message, f"{tool}: {message}")
        print(f"     {tool} after {time.monotonic() - began:.1f} s: {message['error']['message'][:150]}", flush=True)
    return True


@on_babbler
def an_error_of_the_child_is_passed_on(client):
    expect_equal(
        client.call("error").message["error"], {"code": 4711, "message": "mine", "data": {"a": [1]}}, "error"
    )
    return True


@on_babbler
def silence_ends_with_the_time_limit(client):
    began = time.monotonic()
    message = client.call("silence").message
    expect("error" in message or message["result"].get("isError"), f"an answer: {message}")
    expect(2 < time.monotonic() - began < 8, f"it took {time.monotonic() - began:.1f} s")
    return True


@trials
def a_child_that_ends_in_a_call_is_an_error_that_says_how(hosts):
    with hosts(python("babbler.py")) as host:
        for make in (hosts.session, hosts.visitor):
            for tool, word in (("leave", "status 3"), ("be_killed", "signal 9"), ("break_off", "status 0")):
                with make(host) as client:
                    pid = client.done("hello")
                    began = time.monotonic()
                    error = client.call(tool).message["error"]
                    expect(time.monotonic() - began < PROMPT, f"{tool}: it took {time.monotonic() - began:.1f} s")
                    expect(word in error["message"], f"{tool}: the error does not say {word}: {error}")
                    expect(client.done("hello") != pid, f"after {tool} the same process answers")


@on_babbler
def a_child_that_closes_its_output_is_ended(client):
    began = time.monotonic()
    message = client.call("hang_up").message
    expect("error" in message, f"an answer: {message}")
    expect(time.monotonic() - began < 8, f"it took {time.monotonic() - began:.1f} s")
    return False


@on_babbler
def a_child_that_fills_its_standard_error_is_not_stuck(client):
    expect_equal(client.done("shout"), "sane", "answer")
    return True


@on_babbler
def messages_that_no_client_wants_are_overlooked_and_questions_answered(client):
    expect_equal(json.loads(client.done("bother", count=500)), [{}, -32601], "what the child was answered")
    return True


@trials
def a_shared_server_that_keeps_falling_silent_is_left_alone_for_a_while(hosts):
    with hosts(python("babbler.py"), "--per", "shared", "--call-timeout", "1s") as host:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(hosts.session(host)) for _ in range(5)]
            clients[0].done("hello")
            expect_equal(host.metric("torpor_breaker", kind="server", state="closed"), 1, "closed")
            silent = [threading.Thread(target=client.call, args=("silence",)) for client in clients]
            for each in silent:
                each.start()
            for each in silent:
                each.join()
            expect_equal(host.metric("torpor_breaker", kind="server", state="open"), 1, "open")
            began = time.monotonic()
            error = clients[0].call("hello").message["error"]
            with hosts.visitor(host) as visitor:
                answer = visitor.call("hello")
            expect(time.monotonic() - began < 0.4, "calls wait though the server is left alone")
            expect_equal((answer.status, answer.headers.get("retry-after")), (503, "1"), "the refusal")
            for each in (error, answer.message["error"]):
                expect_equal(each["data"]["reason"], "open", "reason")
                expect("calls of hosted have kept failing for" in each["message"], f"it does not say which: {each}")
            print(f"     {error['message']}", flush=True)
            until(lambda: "result" in clients[0].call("hello").message, "the server is called again", 5)
            expect_equal(host.metric("torpor_breaker", kind="server", state="closed"), 1, "closed again")


@trials
def a_client_whose_own_child_keeps_falling_silent_is_alone_with_that(hosts):
    with hosts(python("babbler.py"), "--call-timeout", "1s") as host, hosts.session(host) as good:
        with contextlib.ExitStack() as stack:
            pid = good.done("hello")
            bad = [stack.enter_context(hosts.session(host)) for _ in range(5)]
            silent = [threading.Thread(target=client.call, args=("silence",)) for client in bad]
            for each in silent:
                each.start()
            for each in silent:
                each.join()
            expect_equal(good.done("hello"), pid, "the process of the other")
            expect_equal(host.metric("torpor_breaker", kind="server"), None, "breakers of calls")


@trials
def one_clients_breaking_child_is_not_noticed_by_others(hosts):
    with hosts(python("babbler.py"), *BABBLER) as host, hosts.session(host) as bad, hosts.session(host) as good:
        pid = good.done("hello")
        for tool in ("leave", "huge_line", "be_killed", "junk", "huge_answer", "break_off"):
            bad.call(tool)
            expect_equal(good.done("hello"), pid, f"process of the other after {tool}")
        expect_equal(host.readiness()[0], 200, "readiness")

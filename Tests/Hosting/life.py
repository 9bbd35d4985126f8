"""Trials of children's lives: whom they are for, sleep, restarts, crashes, and that none is left."""

import json
import os
import signal
import tempfile
import threading
import time

import processes
from harness import Trials, expect, expect_equal, until
from hosted import HANDLE, python

trials = Trials()
SECRET = "TRIAL_SECRET"  # a variable of Torpor's that no child may see
BRIEF = ("--child-idle-timeout", "1s")


@trials
def a_session_has_a_child_and_keeps_it(hosts):
    with hosts(python("keeper.py")) as host, hosts.session(host) as one, hosts.session(host) as other:
        expect_equal([one.done("increment") for _ in range(3)], ["1", "2", "3"], "one client's counter")
        expect_equal(other.done("increment", by=10), "10", "the other's")
        expect(one.about()["pid"] != other.about()["pid"], "two sessions share a child")
        one.end()
        until(lambda: len(host.children) == 1, "the child of a session that ended is gone")
        expect_equal(other.done("increment"), "11", "the other's, after that")


@trials
def a_child_sees_nothing_but_what_is_for_it(hosts):
    os.environ[SECRET] = "secret"
    with hosts(python("keeper.py")) as host, hosts.session(host) as client:
        about = client.about()
        expect("PATH" in about["environment"], f"there is no PATH: {about['environment']}")
        allowed = {"PATH", "HOME", "LANG", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR", "TORPOR_STATE_DIR"}
        strange = set(about["environment"]) - allowed
        expect(SECRET not in strange, "a child sees Torpor's environment")
        print(f"     further variables of a child: {sorted(strange)}", flush=True)
        kinds = [link.split(":")[0] for link in about["descriptors"] if not link.startswith("/proc")]
        expect_equal(kinds, ["pipe"] * 3, "descriptors")
        expect(f"{host.root}" in about["folder"], f"it runs in {about['folder']}")
        expect(about["session"] != os.getsid(host.process.pid), "it shares Torpor's session")
        expect(about["group"] != os.getpgid(host.process.pid), "it shares Torpor's group")
        expect("NoNewPrivs:\t1" in about["status"], "it may get new privileges")


@trials
def an_anonymous_modern_client_is_told_a_handle_that_keeps_its_state_apart(hosts):
    with hosts(python("keeper.py")) as host, hosts.visitor(host) as one, hosts.visitor(host) as other:
        schema = one.tools()["increment"]["inputSchema"]
        expect(HANDLE in schema["properties"], f"the tool takes no handle: {schema}")
        expect("by" in schema["properties"], f"the tool has lost its own argument: {schema}")
        expect(HANDLE not in schema.get("required", []), "the handle is required")
        first = one.call("increment", by=5).result
        expect_equal(first["content"][0]["text"], "5", "counter")
        expect(one.handle, f"no handle in {first}")
        expect_equal(one.done("increment"), "6", "counter by handle")
        expect_equal(other.done("increment"), "1", "the other client's")
        expect(one.handle != other.handle, "two clients share a handle")
        result = one.call("increment").result
        expect_equal(len(result["content"]), 1, f"blocks of a result whose client knows its handle: {result}")
        expect("handle" not in str(one.call("increment", by="x").message), "the child saw the handle")


@trials
def a_wrong_handle_is_an_error_of_the_tool_that_says_what_to_do(hosts):
    with hosts(python("keeper.py")) as host, hosts.visitor(host) as client:
        client.done("increment")
        handle = client.handle
        flipped = handle[:-1] + ("A" if handle[-1] != "A" else "B")
        for wrong in ("nonsense", handle + "x", handle[:-4], flipped, "x" * 10_000, 7, {"a": 1}, [handle]):
            result = client.call("increment", **{HANDLE: wrong}).result
            expect(result.get("isError"), f"{wrong!r:.40} was taken: {result}")
            text = result["content"][0]["text"]
            expect(HANDLE in text and "out" in text, f"no advice: {text}")
        expect_equal(client.done("increment"), "2", "counter")
        # Nothing and null mean: begin anew.
        for empty in ("", None):
            expect_equal(client.done("increment", **{HANDLE: empty}), "1", f"counter of {empty!r}")


@trials
def principals_share_what_is_theirs_and_nothing_else(hosts):
    tokens = {"alice": "a" * 40, "bob": "b" * 40}
    with tempfile.NamedTemporaryFile("w", suffix=".tokens") as file:
        file.writelines(f"{name} {token}\n" for name, token in tokens.items())
        file.flush()
        with hosts(python("keeper.py"), "--auth", f"token-file={file.name}", "--per", "principal") as host:
            with (
                hosts.visitor(host, token=tokens["alice"]) as modern,
                hosts.session(host, token=tokens["alice"]) as legacy,
                hosts.visitor(host, token=tokens["bob"]) as bob,
            ):
                expect_equal(modern.done("increment"), "1", "alice's counter")
                expect_equal(legacy.done("increment"), "2", "alice's counter, in a session")
                expect_equal(bob.done("increment"), "1", "bob's counter")
                expect(modern.handle is None, "a principal was told a handle")
                expect(HANDLE not in str(modern.tools()), "a principal is asked for a handle")


@trials
def one_child_serves_all_or_each_serves_one_call_where_that_is_set(hosts):
    with hosts(python("keeper.py"), "--per", "shared") as host:
        with hosts.session(host) as legacy, hosts.visitor(host) as modern:
            expect_equal(legacy.done("increment"), "1", "counter of all")
            expect_equal(modern.done("increment"), "2", "counter of all")
            expect(modern.handle is None, "a handle was told")
    with hosts(python("keeper.py"), "--per", "call") as host:
        with hosts.session(host) as legacy, hosts.visitor(host) as modern:
            for client in (legacy, legacy, modern):
                expect_equal(client.done("increment"), "1", "counter of a call")
            host.expect_no_child()
    with hosts(python("keeper.py"), "--per", "handle") as host, hosts.session(host) as legacy:
        result = legacy.call("increment").result
        handle = result["_meta"]["torpor/handle"]
        expect_equal(legacy.done("increment", **{HANDLE: handle}), "2", "counter of a handle in a session")


@trials
def what_a_tool_answers_arrives_as_it_was(hosts):
    with hosts(python("keeper.py")) as host, hosts.session(host) as legacy, hosts.visitor(host) as modern:
        modern.done("increment")
        for client in (legacy, modern):
            result = client.call("fail", message="ä\u0000\u2028").result
            expect_equal(result["isError"], True, "isError")
            expect_equal(result["content"], [{"type": "text", "text": "ä\u0000\u2028"}], "content")
            expect_equal(result["structuredContent"], {"why": "ä\u0000\u2028"}, "structured content")
            expect_equal(result["_meta"]["example.com/kept"], [1, 2.5, "ü"], "metadata")
            error = client.call("no_such_tool").message["error"]
            expect_equal(error["code"], -32602, f"code of {error}")
        expect_equal(legacy.opened.result["serverInfo"]["name"], "keeper", "name")


@trials
def an_idle_child_sleeps_and_wakes_with_its_files(hosts):
    for arguments in ([], ["--at-signal"], ["--modern"]):
        with hosts(python("keeper.py", *arguments), *BRIEF) as host:
            with hosts.session(host) as legacy, hosts.visitor(host) as modern:
                for client in (legacy, modern):
                    expect_equal(client.done("increment", by=3), "3", f"counter {arguments}")
                pid = legacy.about()["pid"]
                host.expect_no_child()
                until(lambda: host.metric("torpor_children") == 0, "the metrics tell of no child")
                for client in (legacy, modern):
                    expect_equal(client.done("increment"), "4", f"counter after sleep {arguments}")
                expect(legacy.about()["pid"] != pid, "it had not slept")


@trials
def a_call_longer_than_the_idle_timeout_is_not_cut(hosts):
    with tempfile.TemporaryDirectory() as folder:
        with hosts(python("asker.py", folder + "/flag"), *BRIEF) as host, hosts.session(host) as client:
            client.ask("logging/setLevel", {"level": "emergency"})
            id, stream = client.begin("tools/call", {"name": "wait", "arguments": {}})
            with stream:
                expect_equal(stream.message()["params"]["data"], "waiting", "log message")
                try:
                    message = stream.message(within=3)
                except TimeoutError:
                    message = None
                expect(message is None, f"the call ended: {message}")
                expect_equal(len(host.children), 1, "children")
                client.tell({"method": "notifications/cancelled", "params": {"requestId": id}})
            host.expect_no_child()


@trials
def state_survives_a_restart_and_a_crash(hosts):
    with hosts(python("keeper.py")) as host, hosts.session(host) as legacy, hosts.visitor(host) as modern:
        for round in range(1, 7):
            for client in (legacy, modern):
                client.wire.connection.close()
                expect_equal(client.done("increment"), f"{round}", f"counter in round {round}")
            host.restart(kill=round % 2 == 0)


@trials
def what_is_saved_at_the_end_survives_an_orderly_restart(hosts):
    for option in ("--at-signal", "--at-end"):
        with hosts(python("keeper.py", option)) as host, hosts.session(host) as client:
            for round in range(1, 4):
                client.wire.connection.close()
                expect_equal(client.done("increment"), f"{round}", f"counter {option} in round {round}")
                host.restart()


@trials
def a_child_has_time_to_save_after_its_input_has_ended(hosts):
    """The protocol has a server end when its input does; a signal is for one that does not."""
    with hosts(python("keeper.py", "--at-end"), *BRIEF) as host, hosts.session(host) as client:
        for round in range(1, 4):
            expect_equal(client.done("increment"), f"{round}", f"counter in round {round}")
            host.expect_no_child()


def family_of(client, host):
    """The processes that a child tells of, and its folder's."""
    told = json.loads(client.done("family"))
    found = [processes.Process.of(pid) for pid in told]
    expect(all(found), f"not all of {told} run")
    watched = processes.descendants(host.process.pid)
    expect(set(told) <= watched, f"of {told} Torpor's are {sorted(watched)}")
    return found + [process for pid in watched if (process := processes.Process.of(pid))]


def expect_gone(family, when, limit=5):
    def left():
        return [each for each in family if each.is_alive]

    until(lambda: not left(), lambda: f"after {when} these are left: {left()} of {family}", limit)


@trials
def a_killed_torpor_leaves_no_process(hosts):
    with hosts(python("keeper.py")) as host, hosts.session(host) as one, hosts.session(host) as other:
        family = family_of(one, host) + family_of(other, host)
        host.kill()
        expect_gone(family, "SIGKILL of Torpor")


@trials
def a_torpor_that_is_told_to_end_leaves_no_process(hosts):
    with hosts(python("keeper.py")) as host, hosts.session(host) as client:
        family = family_of(client, host)
        began = time.monotonic()
        host.terminate()
        expect_equal(host.wait(), 0, f"exit code ({host.output()})")
        print(f"     ended in {time.monotonic() - began:.1f} s", flush=True)
        expect_gone(family, "SIGTERM of Torpor", limit=0.5)


@trials
def a_torpor_that_is_told_twice_leaves_no_process(hosts):
    with hosts(python("keeper.py")) as host, hosts.session(host) as client:
        family = family_of(client, host)
        host.terminate()
        host.terminate()
        host.wait()
        expect_gone(family, "the second SIGTERM of Torpor")


@trials
def a_killed_warden_is_no_end_of_service_and_leaves_no_child(hosts):
    """Whoever kills the warden kills the children; what Torpor does then is its choice, but it says so."""
    with hosts(python("keeper.py")) as host, hosts.session(host) as client:
        told = json.loads(client.done("family"))
        family = [processes.Process.of(pid) for pid in told]
        warden = next(
            pid for pid in processes.descendants(host.process.pid)
            if processes.parent_of(pid) == host.process.pid
        )
        os.kill(warden, signal.SIGKILL)
        expect_gone(family[:1], "SIGKILL of the warden")
        answer = client.call("increment")
        print(f"     a call after that: {answer.status} {str(answer.message)[:200]}", flush=True)


@trials
def a_child_that_sleeps_leaves_no_process(hosts):
    with hosts(python("keeper.py"), *BRIEF) as host, hosts.session(host) as client:
        told = [processes.Process.of(pid) for pid in json.loads(client.done("family"))]
        expect_gone(told, "the idle timeout", limit=15)
        expect_equal(host.children, {}, "children")


@trials
def clients_that_vanish_never_have_more_children_than_may_be_and_leave_none(hosts):
    options = ("--children", "10", "--principal-children", "10", *BRIEF)
    with hosts(python("keeper.py"), *options) as host:
        most, has_ended, answers, failures = [0], threading.Event(), [], []

        def watch():
            while not has_ended.wait(0.01):
                most[0] = max(most[0], len(host.children))

        def one_client(number):
            try:
                with hosts.session(host) as client:
                    answers.append(client.done("increment", by=number))
            except Exception as error:  # of any kind: it counts as a call that was not answered
                failures.append(f"{number}: {error}")

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.monotonic()
        clients = [threading.Thread(target=one_client, args=(number,)) for number in range(60)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        print(f"     60 clients in {time.monotonic() - began:.1f} s, {most[0]} children at most", flush=True)
        expect_equal(failures, [], "failures")
        expect_equal(sorted(map(int, answers)), list(range(60)), "answers")
        host.expect_no_child()
        has_ended.set()
        watcher.join()
        expect(2 <= most[0] <= 10, f"there were {most[0]} children at once")


@trials
def a_client_whose_stream_hangs_pins_no_child(hosts):
    with hosts(python("keeper.py"), *BRIEF) as host, hosts.session(host) as client:
        with client.listen():  # and never read
            client.done("increment")
            host.expect_no_child()
        visitor = hosts.visitor(host)
        _, stream = visitor.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        with stream:
            visitor.done("increment")
            host.expect_no_child()


@trials
def idle_children_end_when_memory_is_short_and_busy_ones_do_not(hosts):
    limits = ("--memory-limit", "560MiB", "--child-memory", "400MiB", "--call-memory", "200MiB")
    with hosts(python("eater.py"), *limits) as host:
        sessions = [hosts.session(host) for _ in range(5)]
        try:
            # Each keeps what it takes while it is idle: together more than there may be.
            cold, *others = sessions
            first = cold.done("hello")
            busy = threading.Event()
            pids = set()

            def keep_busy():
                while not busy.is_set():
                    pids.add(others[-1].done("hello"))

            others[-1].call("eat", mebibytes=60)
            worker = threading.Thread(target=keep_busy)
            worker.start()
            for each in [cold, *others[:-1]]:
                each.call("eat", mebibytes=90)
            until(
                lambda: host.metric("torpor_child_stops_total", reason="memory"), "a child was ended for memory", 20
            )
            expect_equal(host.readiness()[0], 200, "readiness")
            ended = host.metric("torpor_governor_ended_children_total")
            expect_equal(ended, host.metric("torpor_child_stops_total", reason="memory"), "ended, as the governor tells")
            until(lambda: host.metric("torpor_pressure") < 0.78, "pressure is relieved", 20)
            expect(host.metric("torpor_memory_children_bytes") > 60 << 20, "children count")
            busy.set()
            worker.join()
            expect_equal(len(pids), 1, "processes of the session that was busy")
            expect(cold.done("hello") != first, "the coldest was not ended")
            print(f"     {ended:.0f} of 5 children ended", flush=True)
        finally:
            busy.set()
            for each in sessions:
                each.__exit__()

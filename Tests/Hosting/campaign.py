#!/usr/bin/env python3
"""Hosts a real stdio server, `mcp-server-time`, for hundreds of clients that connect, call and vanish.

    campaign.py --binary PATH [--server PATH] [--clients 500] [--children 10] [--seconds 300] [--seed N]
                [--peer mcp-proxy [--peer-binary PATH]] [--markdown FILE]

Clients of both eras arrive over --seconds, each from an address of its own. Everyone makes one to four calls and then
closes, resets, falls silent (its socket stays half-open for the server, where a process may do that to one), falls
silent with a stream open or a call under way, or stays and says nothing. Nobody ends a session. Meanwhile the processes
and their memory are sampled every 0.2 s.

Then these must hold for Torpor:

  - every call was answered with what it asked for; it may have been told to come back, and was served then;
  - there were never more children than may be, and at times as many;
  - the kernel held each child to its cap, and the memory of all processes together was bounded;
  - after the idle timeout there is no child, and memory is what it was before;
  - after a `kill -9` of Torpor with children at work, none of its processes is left.

With --peer the same load goes to that program too, and to Torpor with one child for all as that program has it, in the
same run. The peer is measured and not judged. It knows sessions alone: there clients of 2026-07-28 are session clients.

Prints `ok NAME` or `FAIL NAME: reason`, then `N passed, N failed`, and exits 1 when anything failed. --markdown writes
the figures, and a picture beside them.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "Hostile"), str(ROOT / "Benchmarks")]

import chart  # noqa: E402
import tree  # noqa: E402
from crowd import Crowd, plans  # noqa: E402
from harness.procfs import describe_machine  # noqa: E402
from target import Broken, free_port, percentile, until  # noqa: E402

MIB = 1 << 20
IDLE_SECONDS = 5
CHILD_MEMORY_MIB = 160
PATIENCE = 240.0  # seconds that a call may take with all the times it is sent again
START_LIMIT = 60.0
GONE_LIMIT = 15.0  # seconds after the idle timeout until the last child must be gone
ORPHAN_LIMIT = 5.0
# What Torpor, its warden and the keepers may take, and what a child may take beyond the same server by itself.
HOST_MAX = 128 * MIB
CHILD_SLACK = 1.2
# What Torpor may have grown by when everybody has gone: pools that were filled once, and the sessions it knows.
GROWTH_MAX = 32 * MIB
# mcp-proxy calls the same option so; its other HTTP mode, --stateless, knows no sessions.
PEERS = {"mcp-proxy": ("--port", "{port}", "--host", "127.0.0.1", "--log-level", "ERROR", "--pass-environment", "--")}


class Contestant(typing.NamedTuple):
    """A program that hosts the server, and what it promises."""

    name: str
    command: tuple
    speaks_modern: bool
    children_max: int | None
    """The most children there may be; `None` when nothing is promised."""
    cap: int | None
    """Bytes that a child may have."""


class Outcome:
    """What one contestant did."""

    def __init__(self, contestant, crowd, watch):
        self.contestant, self.crowd, self.watch = contestant, crowd, watch
        self.at_rest = self.at_end = self.killed = None
        self.seconds_until_gone = None
        self.orphans = None

    def peak(self, name):
        return max(getattr(each, name) or 0 for each in self.watch.samples)


def own_size(server, folder):
    """RSS of the server by itself, over a pipe, after a call."""
    process = subprocess.Popen(
        [server, "--local-timezone", "UTC"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, cwd=folder, text=True,
    )
    try:
        def ask(number, method, params):
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if json.loads(line).get("id") == number:
                    return
            raise Broken(f"the server ended before it answered {method}")

        client = {"name": "campaign", "version": "1"}
        ask(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        process.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        ask(2, "tools/list", {})
        ask(3, "tools/call", {"name": "get_current_time", "arguments": {"timezone": "UTC"}})
        return tree.rss(process.pid)
    finally:
        process.kill()
        process.wait()


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def run(contestant, options, mark, folder):
    """Puts one contestant under load, and kills it at the end."""
    print(f"== {contestant.name}: {options.clients} clients within {options.seconds:g} s", flush=True)
    port = free_port()
    log = open(folder / "host.log", "wb")
    process = subprocess.Popen(
        [word.replace("{port}", str(port)) for word in contestant.command],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")},
    )
    crowd, first = (Crowd(port, contestant.speaks_modern, PATIENCE) for _ in range(2))
    watch = tree.Watch(process.pid, mark)

    def expect_alive():
        if process.poll() is not None:
            output = (folder / "host.log").read_text(errors="replace")
            raise Broken(f"{contestant.name} ended with {process.returncode}: {output[-600:]}")

    try:
        until(lambda: expect_alive() or accepts(port), lambda: f"{contestant.name} accepts connections", START_LIMIT)
        outcome = Outcome(contestant, crowd, watch)
        # What a program does once, as learning what tools there are, is done before memory at rest is looked at.
        asyncio.run(first.run(plans(2, 0, options.seed + 1)))
        if first.errors:
            raise Broken(f"{contestant.name} serves nobody: {dict(first.errors)}")
        rest(contestant, watch)
        outcome.at_rest = watch.sample()

        async def settle():
            outcome.seconds_until_gone = await asyncio.to_thread(rest, contestant, watch)
            outcome.at_end = watch.sample()

        asyncio.run(crowd.run(plans(options.clients, options.seconds, options.seed), settle))
        expect_alive()
        kill(process, contestant, watch, outcome, options)
        return outcome
    finally:
        watch.stop()
        if process.poll() is None:
            process.kill()
            process.wait()
        for pid in watch.marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        log.close()


def rest(contestant, watch):
    """Waits until the children have gone, where that is promised; gives how many seconds that took, if they went."""
    began = time.monotonic()
    if contestant.children_max is None:
        time.sleep(IDLE_SECONDS)
        return None
    with contextlib.suppress(Broken):
        until(lambda: not watch.marked(), lambda: "no child is left", IDLE_SECONDS + GONE_LIMIT)
        return time.monotonic() - began
    return None


def kill(process, contestant, watch, outcome, options):
    """`kill -9` while children work; notes what is left of them, and how many there were."""
    crowd = Crowd(outcome.crowd.port, contestant.speaks_modern, PATIENCE)

    tree = {}

    async def strike():
        tree.update(watch.tree())
        outcome.killed = len(watch.marked())
        process.kill()
        await asyncio.to_thread(process.wait)

    asyncio.run(crowd.run(plans(options.children, 0, options.seed + 2), strike))
    with contextlib.suppress(Broken):
        until(lambda: not watch.left_of(tree), lambda: "no process is left", ORPHAN_LIMIT)
    outcome.orphans = len(watch.left_of(tree))


def verdicts(outcome, options, own):
    """Name, reason of a failure or None, and a note, of each thing that must hold."""
    crowd, watch, most, cap = outcome.crowd, outcome.watch, outcome.contestant.children_max, outcome.contestant.cap
    lost = sum(crowd.errors.values())
    reasons = "; ".join(f"{text} ({count} times)" for text, count in crowd.errors.most_common(3))
    yield (
        "every_call_is_answered", reasons if lost else None,
        f"{crowd.answered:,} calls, {crowd.refused:,} times told to come back",
    )
    peak = outcome.peak("children")
    yield "there_are_never_more_children_than_may_be", f"{peak} children" if peak > most else None, f"at most {peak}"
    yield "the_limit_was_met", f"at most {peak} of {most} children" if peak < most else None, ""
    wrong = {pid: found for pid, found in watch.caps.items() if found is None or found > cap}
    yield (
        "every_child_is_capped", f"{len(wrong)} of {len(watch.caps)}: {list(wrong.values())[:3]}" if wrong else None,
        f"{len(watch.caps)} children seen twice, {cap // MIB} MiB each",
    )
    bound = most * min(own * CHILD_SLACK, cap) + HOST_MAX
    rss = outcome.peak("rss")
    yield (
        "memory_of_the_tree_is_bounded", f"{mib(rss)} MiB, bound {mib(bound)}" if rss > bound else None,
        f"at most {mib(rss)} MiB, bound {mib(bound)}",
    )
    gone = outcome.seconds_until_gone
    left = f"{outcome.at_end.children} children {IDLE_SECONDS + GONE_LIMIT:g} s after the last call"
    yield "no_child_outlives_its_idle_timeout", left if gone is None else None, f"gone after {gone or 0:.1f} s"
    grown = outcome.at_end.own - outcome.at_rest.own
    yield (
        "memory_is_back_when_all_have_gone",
        f"{mib(outcome.at_rest.own)} MiB before, {mib(outcome.at_end.own)} after" if grown > GROWTH_MAX else None,
        f"{mib(outcome.at_rest.own)} MiB before, {mib(outcome.at_end.own)} after",
    )
    reason = None
    if outcome.orphans:
        reason = f"{outcome.orphans} processes are left after {ORPHAN_LIMIT:g} s"
    elif not outcome.killed:
        reason = "no child was at work when Torpor was killed"
    yield "nothing_is_left_after_kill_9", reason, f"{outcome.killed} children were killed with it"


def mib(count):
    return f"{count / MIB:,.0f}"


def milliseconds(seconds, share):
    return f"{percentile(sorted(seconds), share) * 1000:,.0f}" if seconds else "-"


def figures(outcomes):
    """The table of all contestants."""
    rows = [
        ("calls answered, of those made", lambda o: f"{o.crowd.answered:,} of {o.crowd.asked:,}"),
        ("clients with an error", lambda o: f"{sum(o.crowd.errors.values()):,}"),
        ("times told to come back, and came", lambda o: f"{o.crowd.refused:,}"),
        ("first call of a client, p50 / p99, ms", lambda o: both(o.crowd.first_seconds)),
        ("further calls, p50 / p99, ms", lambda o: both(o.crowd.further_seconds)),
        ("children seen, all told", lambda o: f"{len(o.watch.seen):,}"),
        ("children at most", lambda o: str(o.peak("children"))),
        ("processes at most", lambda o: str(o.peak("processes"))),
        ("RSS of all at most, MiB", lambda o: mib(o.peak("rss"))),
        ("PSS of all at most, MiB", lambda o: mib(o.peak("pss"))),
        ("PSS of all before the first client, MiB", lambda o: mib(o.at_rest.pss)),
        ("PSS of all after the last has gone, MiB", lambda o: mib(o.at_end.pss)),
        (
            "RSS of the host and its helpers, before / after, MiB",
            lambda o: f"{mib(o.at_rest.own)} / {mib(o.at_end.own)}",
        ),
        ("children after the last has gone", lambda o: str(o.at_end.children)),
        ("processes left after `kill -9` / children at that time", lambda o: f"{o.orphans} / {o.killed}"),
    ]

    def both(seconds):
        return f"{milliseconds(seconds, 0.5)} / {milliseconds(seconds, 0.99)}"

    lines = ["| | " + " | ".join(each.contestant.name for each in outcomes) + " |", "| - " * (len(outcomes) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(show(each) for each in outcomes) + " |" for name, show in rows]
    return "\n".join(lines)


def version(*command):
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return (found.stdout or found.stderr).strip().splitlines()[-1]


def package_versions(program, *names):
    """Of PyPI packages in the environment of a program."""
    python = pathlib.Path(program).absolute().parent / "python"
    code = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    return version(str(python), "-c", code, *names)


def picture(outcomes):
    def lines(value):
        return {
            each.contestant.name: [(s.seconds, value(s)) for s in each.watch.samples if value(s) is not None]
            for each in outcomes
        }

    return chart.svg(
        "A hosted server under clients that connect, call and vanish",
        [
            chart.Panel("memory of all processes (PSS), MiB", lines(lambda s: None if s.pss is None else s.pss / MIB)),
            chart.Panel("processes", lines(lambda s: s.processes)),
        ],
    )


def document(outcomes, options, own, results, image):
    """The results as Markdown."""
    servers = package_versions(options.server, "mcp-server-time", "mcp")
    versions = [f"Torpor {version(options.binary, '--version')}", f"{servers} (the hosted server)"]
    if options.peer:
        versions.append(f"{package_versions(options.peer_binary, options.peer, 'mcp')} (the peer)")
    commands = [f"- {each.contestant.name}: `{shown(each.contestant.command)}`" for each in outcomes]
    ways = ", ".join(f"{count} {way}" for way, count in sorted(outcomes[0].crowd.ways.items()))
    parts = [
        f"# Hosting under clients that vanish, {datetime.date.today().isoformat()}",
        f"Machine: {describe_machine()}.\nVersions: {', '.join(versions)}.",
        f"`Tests/Hosting/campaign.py --clients {options.clients} --children {options.children} "
        f"--seconds {options.seconds:g} --seed {options.seed}`: {options.clients} clients within {options.seconds:g} "
        f"s, each from an address of its own, with one to four calls, and nobody ends a session ({ways}). Half speak "
        "2026-07-28 and half 2025-11-25. All programs get the same plan, one after the other. A client that is told to "
        "come back does so; that is in its latency. The hosted server by itself has "
        f"{mib(own)} MiB resident.",
        "\n".join(commands),
        figures(outcomes),
    ]
    if options.peer:
        parts.append(
            f"{options.peer} starts one child and all clients share it: a first call waits for no start, and nothing "
            "keeps what one client does from the others. The second column is Torpor set up like that. The peer knows "
            "sessions alone: there all clients are session clients."
        )
        errors = [f"- {each.contestant.name}, {count} times: `{text[:160]}`"
                  for each in outcomes for text, count in each.crowd.errors.most_common(3)]
        parts += ["Errors:\n\n" + "\n".join(errors)] if errors else []
    parts.append("| must hold for Torpor | | |\n| - | - | - |\n" + "\n".join(
        f"| {name.replace('_', ' ')} | {'**no**' if reason else 'yes'} | {reason or note} |"
        for name, reason, note in results
    ))
    parts.append(
        f"Sampled every {tree.SAMPLE_SECONDS:g} s, PSS every {tree.SAMPLE_SECONDS * tree.SAMPLES_PER_PSS:g} s; the "
        f"longest time between two samples was {max(each.watch.longest_gap for each in outcomes):.1f} s."
    )
    parts.append(f"![Memory and processes over time]({image})")
    return "\n\n".join(parts) + "\n"


def shown(command):
    """Without the folders of this machine."""
    return re.sub(r"(sqlite:)?/\S*/", r"\1", " ".join(command))


def contestants(options, mark):
    child = (mark, "--local-timezone", "UTC")

    def torpor(name, children, *arguments):
        command = (
            options.binary, "serve", "--port", "{port}", "--admin-port", "0", "--store", f"sqlite:torpor-{children}.db",
            "--child-memory", f"{CHILD_MEMORY_MIB}MiB", "--child-idle-timeout", f"{IDLE_SECONDS}s", *arguments,
            "--", *child,
        )
        return Contestant(name, command, True, children, CHILD_MEMORY_MIB * MIB)

    found = [torpor("Torpor", options.children, "--children", str(options.children))]
    if options.peer:
        found.append(torpor("Torpor, one child for all", 1, "--per", "shared", "--child-calls", "64"))
        command = (options.peer_binary, *PEERS[options.peer], *child)
        found.append(Contestant(options.peer, command, False, None, None))
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / ".build/release/torpor"), help="torpor")
    parser.add_argument("--server", default=str(ROOT / ".venvs/servers/bin/mcp-server-time"), help="mcp-server-time")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--children", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=300, help="within which clients arrive (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peer", choices=PEERS, help="another host to put under the same load")
    parser.add_argument("--peer-binary", help="default .venvs/peers/bin/NAME")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="for the figures; the picture beside it")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    if options.peer:
        options.peer_binary = os.path.abspath(options.peer_binary or ROOT / f".venvs/peers/bin/{options.peer}")
    for program in (options.binary, options.server, options.peer_binary if options.peer else options.binary):
        if not os.access(program, os.X_OK):
            parser.error(f"there is no {program}")
    return options


def main():
    options = parse_arguments()
    # Ended by a signal as it is, this program would leave servers behind; an exception passes through what ends them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(least, 2 * options.clients + 256)), most))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="torpor-campaign-"))
    failed = 0
    results, outcomes = [], []
    try:
        # The hosted server by a name that stands in no other command line.
        mark = folder / "mcp-server-time"
        mark.symlink_to(os.path.abspath(options.server))
        own = own_size(str(mark), folder)
        for contestant in contestants(options, str(mark)):
            outcome = run(contestant, options, str(mark), folder)
            outcomes.append(outcome)
            if contestant.children_max is None:
                continue
            for name, reason, note in verdicts(outcome, options, own):
                failed += reason is not None
                results.append((name if contestant is outcomes[0].contestant else f"{name}, one child", reason, note))
                tail = f": {reason}" if reason else f" ({note})" if note else ""
                print(f"{'FAIL' if reason else 'ok'} hosting.{name}{tail}", flush=True)
    except Broken as broken:
        failed += 1
        print(f"FAIL hosting: {broken}", flush=True)
    if outcomes:
        print(figures(outcomes), flush=True)
        for each in outcomes:
            for text, count in each.crowd.errors.most_common(5):
                print(f"{each.contestant.name}, {count} times: {text}")
    if options.markdown and outcomes:
        image = options.markdown.with_suffix(".svg")
        image.write_text(picture(outcomes))
        options.markdown.write_text(document(outcomes, options, own, results, image.name))
    if failed:
        print(f"kept for a look: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    print(f"{len(results) - sum(1 for _, reason, _ in results if reason)} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

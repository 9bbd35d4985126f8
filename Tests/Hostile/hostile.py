#!/usr/bin/env python3
"""Attacks `torpor serve` beside well-behaved clients, and looks whether it serves them and stays within its memory.

    Tests/Hostile/hostile.py [--binary PATH] [--seed N] [--seconds S] [--count N] [--scenario NAME]...
    Tests/Hostile/hostile.py --fairness | --health [--binary PATH] [--repetitions N] [--seconds S]

Every scenario starts a server with small limits, in a control group where there may be one, with well-behaved clients of
both eras in a process of their own; see `attacks.py` and `good.py`. The attack runs once as a warm-up, then for --seconds.
Then these must hold:

  - the server has not taken more memory than its limit, and still runs;
  - every well-behaved client was served, and got right answers; it may have been told to come back, and was served then;
  - no attacker met a 5xx without Retry-After, or waited for an answer that did not come;
  - memory is back at what it was before the attack, give or take 10 % and 4 MiB, and what state is accounted for;
  - without clients there are no connections, streams, calls or buffers, and no more descriptors than before the attack;
  - at SIGTERM the server ends with 0. Where a tool leaks, it ends by itself with a reason, and another one goes on.

Prints a line for each scenario; the last line is `N passed, N failed`, and the exit status is 1 when anything failed.
--fairness and --health measure, and judge nothing; they need wrk.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys

import load
from attacks import ATTACKS, MIB
from good import message_in
from target import Broken, Good, Server, mebibytes, percentile, scratch, token_file, until

LIMITS = (
    "--max-request", "1MiB", "--max-calls", "64", "--principal-calls", "16", "--max-connections", "600",
    "--max-connections-per-address", "150", "--max-buffers", "16MiB", "--max-stream-bytes", "8MiB",
    "--resident-memory", "32MiB", "--object-memory", "1MiB", "--storage", "256MiB", "--call-timeout", "5s",
    "--heartbeat", "1s", "--resume-grace", "1s", "--drain-delay", "0", "--grace-period", "10s", "--event-loops", "2",
    "--log-level", "warning",
)
GOOD = ("session", "handle", "stateless")
SETTLE_LIMIT = 45.0  # seconds until nothing of an attack is left
SLACK = 4 * MIB
# What well-behaved clients, health checks and the store open and close at any time.
OWN_DESCRIPTORS = 8
# What nothing may be left of, and how much of it a well-behaved client may have at any time. A call that takes a while is
# a stream, and is kept for the client of a session to come back to.
NOTHING = {
    "torpor_connections": 1, "torpor_streams": 8, "torpor_stream_bytes": 4_096, "torpor_calls_in_flight": 1,
    "torpor_waiting_calls": 1, "torpor_buffered_bytes": 0,
}


class Scenario:
    """One attack on one server."""

    def __init__(self, name, options):
        self.name = name
        self.kind = ATTACKS[name]
        self.options = options
        self.random = random.Random(f"{options.seed} {name}")
        self.figures = {}

    def run(self):
        """Gives the reasons why it failed, none when it passed."""
        folder = scratch()
        failures = []
        try:
            self.attempt(folder, failures)
        except Broken as broken:
            failures.append(str(broken))
        if failures:
            print(f"kept for a look: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
        return failures

    def attempt(self, folder, failures):
        server, tokens, is_anonymous = self.start(folder)
        good = attack = None
        try:
            good = Good(server, self.kind.server, tokens, may_end=self.kind.ends_server)
            attack = self.kind(server, tokens, self.random.randrange(1 << 32))
            if not self.kind.ends_server:
                self.rage(server, attack, max(1.0, self.options.seconds / 3))
                self.settle(server, leaves=len(GOOD))
            before, accounted = self.rest(server)
            descriptors = server.descriptors
            attack.statuses.clear()
            self.rage(server, attack, self.options.seconds if not self.kind.ends_server else 120)
            if self.kind.ends_server:
                failures += self.expect_end(server)
            else:
                self.settle(server, leaves=len(GOOD))
                until(
                    lambda: server.descriptors <= descriptors + OWN_DESCRIPTORS,
                    lambda: f"{server.descriptors} descriptors, {descriptors} before", SETTLE_LIMIT,
                )
                self.expect_memory(server, before, accounted)
            reports = good.finish()
            failures += self.served(reports)
            if self.kind.ends_server:
                failures += self.expect_state(server, reports)
            if not self.kind.ends_server:
                self.settle(server, leaves=0)
                status = server.stop()
                if status != 0:
                    failures.append(f"the server ended with {status}: {server.output()[-400:]}")
            failures += [f"{text} ({count} times)" for text, count in attack.findings.items()]
            server.expect_below_limit()
        finally:
            self.figures |= {"peak": server.peak, "is_anonymous": is_anonymous}
            if attack is not None:
                self.figures |= {"refused": attack.refused, "statuses": dict(attack.statuses)}
            if good is not None:
                good.discard()
            server.discard()

    def start(self, folder):
        is_anonymous = self.kind.may_be_anonymous and self.random.random() < 0.5
        access, tokens = (), {}
        if not is_anonymous:
            principals = [*GOOD, *(f"mallory-{number}" for number in range(self.kind.addresses))]
            path, tokens = token_file(folder, principals)
            access = ("--auth", f"token-file={path}")
        store = f"sqlite:{folder}/torpor.db"
        limit = self.kind.memory_limit
        # As of a control group, a tenth is left for what no governor can steer.
        memory = ("--memory-limit", f"{limit * 9 // 10 >> 10}KiB") if self.options.has_memory_limit else ()
        arguments = ("--server", self.kind.server, "--store", store, *LIMITS, *memory, *access, *self.kind.arguments)
        server = Server(self.options.binary, arguments, folder, limit, not self.options.no_group)
        return server, tokens, is_anonymous

    def rage(self, server, attack, seconds):
        asyncio.run(attack.run(seconds))
        if not self.kind.ends_server:
            server.expect_alive()

    def settle(self, server, leaves):
        """Waits until nothing is left but what at most `leaves` clients have under way."""

        def left():
            server.expect_alive()
            metrics = server.metrics()
            return {name: metrics[name] for name, each in NOTHING.items() if metrics[name] > leaves * each}

        until(lambda: not left(), lambda: f"all that attackers had is gone; left: {left()}", SETTLE_LIMIT)

    def rest(self, server):
        """The least memory within a second, and how much of it is accounted for as state."""
        least = []

        def is_enough():
            least.append(server.resident_bytes)
            return len(least) >= 20

        until(is_enough, lambda: "samples", SETTLE_LIMIT)
        return min(least), server.metrics()["torpor_arena_committed_bytes"]

    def expect_memory(self, server, before, accounted):
        def bound():
            return before * 1.1 + SLACK + max(0, server.metrics()["torpor_arena_committed_bytes"] - accounted)

        self.figures["before"] = before
        try:
            until(
                lambda: server.resident_bytes <= bound(),
                lambda: f"memory is back: {mebibytes(before)} MiB before, {mebibytes(server.resident_bytes)} after",
                SETTLE_LIMIT,
            )
        finally:
            self.figures["after"] = server.resident_bytes

    def served(self, reports):
        """What well-behaved clients missed."""
        failures = []
        for report in reports.values():
            failures += report["failures"][:3]
            if report["calls"] == 0:
                failures.append(f"{report['kind']} was never served")
        clients = [report for kind, report in reports.items() if kind != "health"]
        seconds = sorted(second for report in clients for second in report["seconds"])
        self.figures |= {
            "served": sum(report["calls"] for report in clients),
            "come_back": sum(report["refused"] for report in clients),
            "p50": percentile(seconds, 0.5), "p99": percentile(seconds, 0.99),
            "longest": seconds[-1] if seconds else 0,
            "health_p99": percentile(sorted(reports["health"]["seconds"]), 0.99),
        }
        return failures

    def expect_end(self, server):
        """The server ends by a decision of its own, and says why."""
        status = server.wait()
        failures = []
        if status <= 0:
            killed = " (by the kernel, out of memory)" if server.was_killed_for_memory else ""
            failures.append(f"the server ended with {status}{killed}, not by a decision of its own")
        if "memory" not in server.output():
            failures.append(f"the server does not say why it ended: {server.output()[-400:]}")
        return failures

    def expect_state(self, server, reports):
        """Another server goes on with what was acknowledged; the last change of a client may have gone unanswered."""
        failures = []
        server.start()
        for report in reports.values():
            if "count" not in report:
                continue
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": report["params"]}
            fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            with contextlib.closing(connection):
                connection.request("POST", "/mcp", json.dumps(body), fields | report["fields"])
                response = connection.getresponse()
                data = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
            result = message_in(headers, data).get("result") or {}
            text = result["content"][0]["text"] if result.get("content") else repr(data[:200])
            if text not in (str(report["count"]), str(report["count"] + 1)):
                failures.append(f"{report['kind']} had counted {report['count']}; after a new start: {text}")
        status = server.stop()
        if status != 0:
            failures.append(f"the server that went on ended with {status}")
        return failures

    def line(self, failures):
        figures = self.figures
        parts = []
        if "peak" in figures:
            parts.append(f"peak {mebibytes(figures['peak'])} MiB")
        if "after" in figures:
            parts.append(f"rest {mebibytes(figures['before'])} -> {mebibytes(figures['after'])} MiB")
        if "served" in figures:
            parts.append(
                f"served {figures['served']} (told to come back {figures['come_back']}), p50 "
                f"{figures['p50'] * 1_000:.1f} ms, p99 {figures['p99'] * 1_000:.1f} ms, longest "
                f"{figures['longest'] * 1_000:.0f} ms, health p99 {figures['health_p99'] * 1_000:.1f} ms"
            )
        if "refused" in figures:
            parts.append(f"refused {figures['refused']}")
            parts.append("by address" if figures["is_anonymous"] else "by principal")
            if self.options.verbose:
                parts.append(str(figures["statuses"]))
        text = f"{'FAIL' if failures else 'ok'} {self.name}: " + "; ".join(parts)
        return text + "".join(f"\n     {' '.join(failure.split())[:800]}" for failure in failures)


def has_flag(binary, flag):
    return flag in subprocess.run([binary, "serve", "--help"], capture_output=True, text=True, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=".build/release/torpor")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long an attack lasts (default 5)")
    parser.add_argument("--scenario", action="append", choices=sorted(ATTACKS), help="only this one; may be repeated")
    parser.add_argument("--count", type=int, help="only so many scenarios, drawn by the seed")
    parser.add_argument("--no-group", action="store_true", help="watch memory without a control group")
    parser.add_argument("--verbose", action="store_true", help="tell what attackers were answered")
    parser.add_argument("--fairness", action="store_true", help="measure a caller while another one floods")
    parser.add_argument("--health", action="store_true", help="measure health checks while the endpoint is saturated")
    parser.add_argument("--repetitions", type=int, default=5, help="of each measurement (default 5)")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    if options.fairness or options.health:
        return load.main(options)
    names = options.scenario or sorted(ATTACKS)
    if options.count is not None:
        names = random.Random(options.seed).sample(names, min(options.count, len(names)))
    options.has_memory_limit = has_flag(options.binary, "--memory-limit")
    print(f"seed {options.seed}")
    passed = failed = 0
    for name in names:
        needs = ATTACKS[name].needs
        if needs and not has_flag(options.binary, needs):
            print(f"skip {name}: torpor serve has no {needs}", flush=True)
            continue
        scenario = Scenario(name, options)
        failures = scenario.run()
        print(scenario.line(failures), flush=True)
        passed, failed = passed + (not failures), failed + bool(failures)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

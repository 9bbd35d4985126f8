extension DashboardScript {
    /// Which tiles, meters and curves there are, and what fills them.
    static let overview = #"""
        const tiles = {
          requests: tile("Requests"), latency: tile("Latency, p99"),
          wakes: tile("Wakes"), evictions: tile("Evictions"),
          shed: tile("Shed requests"), lag: tile("Event-loop lag, p99"),
          calls: tile("Running calls"), connections: tile("Connections"),
        };
        const meters = {
          process: meter("meters", "Process"), resident: meter("meters", "State in memory", true),
          anonymous: meter("meters", "of it, anonymous callers", true),
          dirty: meter("meters", "Changes not stored yet"), allocator: meter("meters", "Allocator"),
          buffers: meter("meters", "Requests and answers in buffers"),
          streams: meter("meters", "Messages of streams"), stored: meter("meters", "Stored, before compression"),
          disk: meter("meters", "Disk used"), descriptors: meter("meters", "File descriptors"),
        };
        const pressures = {
          state: meter("pressures", "Pressure of state"), memory: meter("pressures", "Pressure of memory"),
          stall: meter("pressures", "Pressure of stalls"),
        };
        const charts = [
          new Chart("Memory", bytes, [
            { name: "RSS", color: "blue", read: (it) => it.resident },
            { name: "state", color: "teal", read: (it) => it.state },
            { name: "allocated", color: "violet", read: (it) => it.allocated },
          ]),
          new Chart("Requests per second", rate, [
            { name: "all", color: "blue", read: (it) => it.requests },
            { name: "failed", color: "red", read: (it) => it.failures },
          ]),
          new Chart("Latency", seconds, [
            { name: "p50", color: "teal", read: (it) => it.p50 }, { name: "p99", color: "amber", read: (it) => it.p99 },
          ]),
          new Chart("Sleep and waking per second", rate, [
            { name: "evictions", color: "violet", read: (it) => it.evictions },
            { name: "wakes", color: "teal", read: (it) => it.wakes },
          ]),
          new Chart("Wake latency", seconds, [
            { name: "p50", color: "teal", read: (it) => it.wakeP50 },
            { name: "p99", color: "amber", read: (it) => it.wakeP99 },
          ]),
          new Chart("Event-loop lag", seconds, [{ name: "p99", color: "blue", read: (it) => it.lag }]),
        ];

        function showTiles(now, page) {
          const server = page.server ?? {}, queue = page.queue ?? {};
          const failed = now.failures ? `${rate(now.failures)} /s failed` : `${count(page.totals.operations)} in all`;
          tiles.requests(rate(now.requests), " /s", failed, now.failures > 0 && now.failures > now.requests / 20);
          tiles.latency(quantileText(now.p99), "", `p50 ${quantileText(now.p50)}`);
          tiles.wakes(rate(now.wakes), " /s", `p50 ${quantileText(now.wakeP50)}, p99 ${quantileText(now.wakeP99)}`);
          const reasons = Object.entries(page.totals.evictions).filter(([, total]) => total > 0);
          const gone = reasons.map(([reason, total]) => `${reason} ${count(total)}`).join(", ") || "none so far";
          tiles.evictions(rate(now.evictions), " /s", gone);
          const kinds = Object.entries(page.totals.shed_requests).filter(([, total]) => total > 0);
          const shed = kinds.map(([reason, total]) => `${reason} ${count(total)}`).join(", ") || "none so far";
          tiles.shed(rate(now.shed), " /s", shed, now.shed > 0);
          tiles.lag(quantileText(now.lag), "", "over the last 30 s", now.lag?.value > 0.1);
          const queued = queue.calls == null ? `${count(page.state?.waiting_calls ?? 0)} wait for state`
            : `${count(queue.calls)} of ${count(queue.limit)} queued`;
          tiles.calls(count(server.running_calls?.value), ` of ${count(server.running_calls?.limit)}`, queued);
          tiles.connections(count(server.connections?.value), ` of ${count(server.connections?.limit)}`,
            `${count(server.streams)} streams, ${count(server.held_sessions)} sessions held`);
        }

        function showMemory(now, page) {
          const { process, server = {}, state, allocator, governor } = page;
          // The governor counts what the kernel's limit counts, the processes that this one started included.
          use(meters.process, governor?.used_bytes ?? process.resident_bytes, governor?.limit_bytes);
          use(meters.resident, state?.resident.bytes, state?.resident.limit_bytes);
          use(meters.anonymous, state?.anonymous.bytes, state?.anonymous.limit_bytes);
          use(meters.dirty, state?.dirty.bytes, state?.dirty.limit_bytes);
          meters.allocator(null, allocator
            ? `${allocator.name}: ${bytes(allocator.allocated_bytes)} in use, ${bytes(allocator.resident_bytes)} in memory` : null);
          use(meters.buffers, server.buffered_bytes?.value, server.buffered_bytes?.limit);
          use(meters.streams, server.stream_bytes?.value, server.stream_bytes?.limit);
          use(meters.stored, state?.stored.bytes, state?.stored.limit_bytes);
          const disk = state?.stored.disk;
          use(meters.disk, disk ? disk.size_bytes - disk.free_bytes : null, disk?.size_bytes);
          use(meters.descriptors, process.open_file_descriptors, process.file_descriptors_limit, count);
        }

        function showGovernor(governor) {
          const index = governor?.rung_index ?? 0;
          byId("governor-reason").textContent = !governor
            ? "This server has no governor: nothing acts on memory as a whole."
            : `${governor.reason || RUNGS[governor.rung]}, for ${period(governor.since_seconds ?? 0)}`;
          byId("ladder").hidden = !governor;
          [...byId("ladder").children].forEach((step, place) => {
            step.classList.toggle("active", place > 0 && place < 4);
            step.classList.toggle("severe", place >= 4);
            if (place === index) step.setAttribute("aria-current", "step"); else step.removeAttribute("aria-current");
          });
          for (const [source, show] of Object.entries(pressures)) {
            const value = governor?.sources?.[source];
            if (value == null) show(null, null); else show(value, `${Math.round(value * 100)} %`);
          }
        }
        """#
}

extension DashboardScript {
    /// What is read out of two answers: rates and quantiles.
    static let figures = #"""
        const sum = (totals) => Object.values(totals ?? {}).reduce((left, right) => left + right, 0);

        // Which bound a share of the values lies below; those below the first bound are not told apart.
        function quantile(share, now, before) {
          if (!now) return null;
          const counts = now.counts.map((value, index) => value - (before?.counts[index] ?? 0));
          const all = counts.at(-1), bounds = now.bounds_seconds;
          if (!(all > 0)) return null;
          const rank = share * all;
          const index = counts.findIndex((value) => value >= rank);
          if (index >= bounds.length) return { value: bounds.at(-1), sign: "> " };
          if (index === 0) return { value: bounds[0], sign: "≤ " };
          const inside = counts[index] - counts[index - 1];
          const part = (rank - counts[index - 1]) / inside;
          return { value: bounds[index - 1] + (bounds[index] - bounds[index - 1]) * part, sign: "" };
        }

        const quantileText = (found) => found ? found.sign + seconds(found.value) : "–";

        // What is shown of an answer, with the one before it and one up to 30 s older.
        function figures(now, before, older) {
          const page = now.page, elapsed = before ? (now.time - before.time) / 1000 : null;
          const perSecond = (total) =>
            before && elapsed > 0 ? Math.max(0, total(page) - total(before.page)) / elapsed : null;
          const latency = (share, name) => quantile(share, page.latency?.[name], older?.page.latency?.[name]);
          return {
            time: now.time,
            requests: perSecond((it) => it.totals.operations),
            failures: perSecond((it) => it.totals.failed_operations),
            wakes: perSecond((it) => it.totals.loads.found ?? 0),
            evictions: perSecond((it) => sum(it.totals.evictions)),
            shed: perSecond((it) => sum(it.totals.shed_requests)),
            refusals: perSecond((it) => sum(it.totals.state_refusals)),
            p50: latency(0.5, "operations"), p99: latency(0.99, "operations"),
            wakeP50: latency(0.5, "loads"), wakeP99: latency(0.99, "loads"), commitP99: latency(0.99, "commits"),
            lag: latency(0.99, "event_loop_lag"),
            resident: page.process.resident_bytes, state: page.state?.resident.bytes ?? null,
            allocated: page.allocator?.allocated_bytes ?? null, limit: page.governor?.limit_bytes ?? null,
          };
        }
        """#
}

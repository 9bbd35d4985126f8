extension Dashboard {
    /// What the dashboard does.
    ///
    /// It writes text as text alone, so that no name of an object can become markup.
    static let script = #"""
        "use strict";
        // Asks the admin port how the server stands and shows it. Counters are totals: rates and quantiles are those of
        // the time between two answers. What is kept is bounded: 10 minutes of figures, 30 seconds of answers.
        const PERIOD = 2000, TIMEOUT = 5000, STATE_PERIOD = 30000;
        const HISTORY = 600, WINDOW = 30, POINTS_MAX = 400, LARGEST_MAX = 12, HOSTED_MAX = 32, CHILDREN_MAX = 8;
        // In their order: each acts more than the one before.
        const RUNGS = {
          calm: "Calm", shortenIdle: "Shorten idle", evictColdest: "Evict coldest", trim: "Trim",
          refuseNewState: "Refuse new state", refuseLoads: "Refuse loads", cancelLargest: "Cancel largest",
          drain: "Drain",
        };

        const byId = (id) => document.getElementById(id);

        function element(name, attributes = {}, ...children) {
          const made = document.createElement(name);
          for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
          made.append(...children);
          return made;
        }

        // The namespace comes from an element that the parser made.
        const SVG = new DOMParser().parseFromString("<svg></svg>", "text/html").body.firstChild.namespaceURI;

        function shape(name, attributes, text) {
          const made = document.createElementNS(SVG, name);
          for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
          if (text !== undefined) made.textContent = text;
          return made;
        }

        // MARK: Text

        function bytes(value) {
          if (value == null) return "–";
          const units = ["B", "KiB", "MiB", "GiB", "TiB"];
          let unit = 0;
          while (Math.abs(value) >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
          return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
        }

        function count(value) {
          if (value == null) return "–";
          return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
        }

        function rate(value) {
          if (value == null) return "–";
          if (value >= 100) return count(value);
          return value === 0 ? "0" : value < 0.1 ? "< 0.1" : value.toFixed(1);
        }

        function seconds(value) {
          if (value == null) return "–";
          if (value === 0) return "0";
          if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
          if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms`;
          return `${value.toFixed(value < 10 ? 1 : 0)} s`;
        }

        function period(value) {
          const days = Math.floor(value / 86400), hours = Math.floor(value / 3600) % 24;
          const minutes = Math.floor(value / 60) % 60;
          if (days > 0) return `${days} d ${hours} h`;
          if (hours > 0) return `${hours} h ${minutes} min`;
          return minutes > 0 ? `${minutes} min` : `${Math.floor(value)} s`;
        }

        // MARK: Figures

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

        // MARK: Tiles, meters, tables

        function tile(title) {
          const figure = element("p", { class: "figure" }), note = element("p", { class: "note" });
          const card = element("article", { class: "tile" }, element("h2", {}, title), figure, note);
          byId("tiles").append(card);
          return (value, unit, text, isWarning = false) => {
            figure.replaceChildren(value, element("small", {}, unit));
            note.textContent = text;
            card.classList.toggle("warn", isWarning);
          };
        }

        // - fills: whether it is normal that what is measured comes near its limit.
        function meter(parent, title, fills = false) {
          const amount = element("span", { class: "amount" }), fill = element("div", { class: "fill" });
          const range = { "aria-valuemin": "0", "aria-valuemax": "100" };
          const track = element("div", { class: "track", role: "meter", "aria-label": title, ...range }, fill);
          const box = element("div", { class: "meter" }, element("p", {}, element("span", {}, title), amount), track);
          byId(parent).append(box);
          // A share above 1 fills the track. Without a limit there is none; what is not told is not shown.
          return (share, text) => {
            box.hidden = text === null;
            if (text === null) return;
            amount.textContent = text;
            track.hidden = share === null;
            const percent = Math.min(100, Math.max(0, (share ?? 0) * 100));
            fill.style.width = `${percent}%`;
            fill.classList.toggle("high", !fills && percent >= 75 && percent < 90);
            fill.classList.toggle("full", !fills && percent >= 90);
            track.setAttribute("aria-valuenow", String(Math.round(percent)));
            track.setAttribute("aria-valuetext", text);
          };
        }

        function use(show, value, limit, text = bytes) {
          if (value == null) return show(null, null);
          if (!(limit > 0)) return show(null, text(value));
          show(value / limit, `${text(value)} of ${text(limit)} (${Math.round((value / limit) * 100)} %)`);
        }

        // MARK: Charts

        // A chart of the last 10 minutes. A gap in the figures is a gap in the curve.
        class Chart {
          static LEFT = 56;
          static RIGHT = 4;
          static TOP = 6;
          static BOTTOM = 18;

          constructor(title, text, curves) {
            this.title = title;
            this.text = text;
            this.curves = curves;
            this.svg = shape("svg", { role: "img" });
            const caption = element("figcaption", {}, element("h2", {}, title));
            this.keys = curves.map((curve) => {
              const value = element("span", {});
              caption.append(element("span", { class: `key ${curve.color}` }, `${curve.name} `, value));
              return value;
            });
            byId("charts").append(element("figure", { class: "card" }, caption, this.svg));
            this.svg.addEventListener("pointermove", (event) => {
              this.cursor = event.clientX - this.svg.getBoundingClientRect().left;
              this.draw();
            });
            this.svg.addEventListener("pointerleave", () => { this.cursor = null; this.draw(); });
            new ResizeObserver(() => this.draw()).observe(this.svg);
          }

          show(history) { this.history = history; this.draw(); }

          draw() {
            const history = this.history ?? [];
            if (history.length === 0) return;
            const end = history.at(-1).time, start = end - HISTORY * 1000;
            // Drawn in pixels, so that text keeps its shape.
            const width = this.svg.clientWidth, height = this.svg.clientHeight;
            this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
            const left = Chart.LEFT, right = width - Chart.RIGHT, bottom = height - Chart.BOTTOM, top = Chart.TOP;
            const read = (curve, figure) => { const value = curve.read(figure); return value?.value ?? value; };
            let most = 0;
            for (const figure of history) {
              for (const curve of this.curves) most = Math.max(most, read(curve, figure) ?? 0);
            }
            const scale = this.ceiling(most);
            const x = (time) => left + ((time - start) / (end - start)) * (right - left);
            const y = (value) => bottom - (value / scale) * (bottom - top);
            const parts = [];
            for (const share of [0, 0.5, 1]) {
              const level = y(scale * share);
              parts.push(shape("line", { class: "grid", x1: left, x2: right, y1: level, y2: level }));
              const label = { x: left - 6, y: level + 4, "text-anchor": "end" };
              parts.push(shape("text", label, this.text(scale * share)));
            }
            for (const [minutes, anchor] of [[10, "start"], [5, "middle"], [0, "end"]]) {
              const label = { x: x(end - minutes * 60000), y: height - 3, "text-anchor": anchor };
              parts.push(shape("text", label, minutes === 0 ? "now" : `−${minutes} min`));
            }
            for (const curve of this.curves) {
              let path = "", last = null;
              for (const figure of history) {
                const value = read(curve, figure);
                if (value == null) { last = null; continue; }
                const joins = last !== null && figure.time - last < 5 * PERIOD;
                path += `${joins ? "L" : "M"}${x(figure.time).toFixed(1)} ${y(value).toFixed(1)}`;
                last = figure.time;
              }
              if (path) parts.push(shape("path", { class: `curve ${curve.color}`, d: path }));
            }
            const chosen = this.chosen(history, x);
            if (this.cursor != null) {
              const place = x(chosen.time);
              parts.push(shape("line", { class: "cursor", x1: place, x2: place, y1: top, y2: bottom }));
            }
            this.svg.replaceChildren(...parts);
            const texts = this.curves.map((curve) => {
              const value = curve.read(chosen);
              return (value?.sign ?? "") + this.text(value?.value ?? value);
            });
            this.keys.forEach((key, index) => { key.textContent = texts[index]; });
            const values = this.curves.map((curve, index) => `${curve.name} ${texts[index]}`).join(", ");
            this.svg.setAttribute("aria-label", `${this.title}, the last 10 minutes. Now: ${values}.`);
          }

          // The figures under the pointer, else the newest.
          chosen(history, x) {
            if (this.cursor == null) return history.at(-1);
            const distance = (figure) => Math.abs(x(figure.time) - this.cursor);
            return history.reduce((best, figure) => distance(figure) < distance(best) ? figure : best);
          }

          // The next round number: 1, 2 or 5 times a power of ten, for bytes of two.
          ceiling(most) {
            if (!(most > 0)) return this.text === bytes ? 1 << 20 : this.text === seconds ? 0.01 : 1;
            if (this.text === bytes) {
              const power = 2 ** Math.floor(Math.log2(most));
              return most <= power ? power : most <= power * 1.5 ? power * 1.5 : power * 2;
            }
            const power = 10 ** Math.floor(Math.log10(most));
            return [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= most * 0.999);
          }
        }

        // MARK: The page

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

        function showState(page) {
          const { state, totals } = page;
          const names = {
            at_rest: "at rest", in_use: "in use", dirty: "with changes", loading: "waking", closed: "closed",
            deleting: "being deleted",
          };
          const list = element("dl", { class: "standings" });
          for (const [standing, name] of Object.entries(names)) {
            const number = element("dd", {}, count(state?.objects[standing]));
            list.append(element("div", {}, element("dt", {}, name), number));
          }
          byId("standings").replaceChildren(state ? list : element("p", {}, "This server keeps no state."));
          const some = (group) => Object.entries(group ?? {}).filter(([, total]) => total > 0)
            .map(([name, total]) => `${name.replaceAll("_", " ")} ${count(total)}`).join(", ") || "none";
          const stored = state?.stored, compressed = stored?.compressed_bytes;
          const rows = [
            ["Stored", stored ? `${count(stored.objects)} objects, ${bytes(stored.bytes)}`
              + (compressed > 0 ? `, compressed ${(stored.bytes / compressed).toFixed(1)} times` : "") : "–"],
            ["Asked of the store", some(totals.loads)], ["Commits of objects", some(totals.commit_outcomes)],
            ["Written", `${bytes(totals.commit_bytes.raw)}, as stored ${bytes(totals.commit_bytes.stored)}`],
            ["Deleted", some(totals.deletions)], ["State refused", some(totals.state_refusals)],
            ["Failures of the store", some(totals.store_failures)],
          ];
          byId("totals").tBodies[0].replaceChildren(...rows.map(([name, text]) =>
            element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, text))));
        }

        const PHASES = ["busy", "idle", "spare", "waking", "stopping"];
        // Whom a child is for.
        const OWNERS = {
          session: "a session", principal: "a principal", handle: "a handle", call: "one call", shared: "all callers",
        };

        // Hosted servers, each with those of its children that take most.
        function showHosted(servers) {
          byId("hosted-card").hidden = servers.length === 0;
          const bodies = servers.slice(0, HOSTED_MAX).map((server) => element("tbody", {}, ...hostedRows(server)));
          if (servers.length > HOSTED_MAX) bodies.push(element("tbody", {}, moreRow(servers.length - HOSTED_MAX)));
          const table = byId("hosted");
          table.replaceChildren(table.tHead, ...bodies);
        }

        function hostedRows(server) {
          const cell = (text) => element("td", { class: "number" }, text);
          const memory = (child) => child.memory_bytes ?? 0;
          const children = server.children.toSorted((one, other) => memory(other) - memory(one));
          const all = PHASES.reduce((total, phase) => total + server[phase], 0);
          const phases = PHASES.filter((phase) => server[phase] > 0).map((phase) => `${count(server[phase])} ${phase}`);
          const rows = [element("tr", {},
            element("th", { scope: "row" }, server.name),
            element("td", {}, [`${count(all)} of ${count(server.children_limit)}`, ...phases].join(", ")),
            cell(count(children.reduce((total, child) => total + child.calls, 0))),
            cell(bytes(children.reduce((total, child) => total + memory(child), 0))),
            cell(count(server.waiting_calls)), cell(count(server.starts)), cell(count(server.start_failures)),
            cell(count(server.endings)))];
          if (server.failure) {
            rows.push(element("tr", {}, element("td", { colspan: "8", class: "failure" }, server.failure)));
          }
          // A remote server has connections in place of processes.
          rows.push(...children.slice(0, CHILDREN_MAX).map((child) => element("tr", { class: "child" },
            element("td", {}, `for ${OWNERS[child.for] ?? "whoever is next"}`),
            element("td", {}, child.pid == null ? "connection" : `process ${child.pid}`),
            cell(count(child.calls)), cell(bytes(child.memory_bytes)), element("td", { colspan: "4" }))));
          if (children.length > CHILDREN_MAX) rows.push(moreRow(children.length - CHILDREN_MAX));
          return rows;
        }

        const moreRow = (left) =>
          element("tr", { class: "child" }, element("td", { colspan: "8" }, `and ${count(left)} more`));

        function showContents(page) {
          const rows = page.largest.slice(0, LARGEST_MAX).map((object) => element("tr", {},
            element("td", { title: object.id }, element("code", {}, `${object.id.slice(0, 12)}…`)),
            element("td", {}, object.name ? `${object.kind} ${object.name}` : object.kind),
            element("td", { class: "number" }, bytes(object.bytes)),
            element("td", { class: "number" }, count(object.values)),
            element("td", {}, object.standing.replaceAll("_", " ")),
            element("td", { class: "number" }, period(object.idle_milliseconds / 1000))));
          const none = element("tr", {}, element("td", { colspan: "6" }, "Nothing is in memory."));
          byId("largest").tBodies[0].replaceChildren(...(rows.length ? rows : [none]));
          const wasted = page.duplicated.values.reduce((total, value) => total + value.wasted_bytes, 0);
          byId("duplicated").textContent = `In ${count(page.duplicated.sampled_values)} values looked at, copies of `
            + `the same value take ${bytes(wasted)}.`;
        }

        function showHealth(page) {
          const faults = page.readiness_faults ?? [], governor = page.governor;
          byId("health").className = `dot ${faults.length ? "bad" : "good"}`;
          byId("state").textContent = faults.length ? "Not ready" : "Ready";
          byId("version").textContent = page.version;
          byId("uptime").textContent = `up ${period(page.uptime_seconds)}`;
          notice(faults.join("; "));
          document.title = faults.length ? "Not ready – Torpor"
            : governor && governor.rung_index > 0 ? `${RUNGS[governor.rung]} – Torpor` : "Torpor";
        }

        function notice(text) {
          byId("notice").hidden = !text;
          if (byId("notice").textContent !== text) byId("notice").textContent = text;
        }

        // MARK: Asking

        let token = null, answers = [], history = [], stateAsked = -Infinity, timer = null, isPaused = false;

        class Refused extends Error {}

        async function ask(path) {
          const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
          const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
          if (answer.status === 401) throw new Refused();
          if (!answer.ok) throw new Error(`${path} is answered with ${answer.status}`);
          return answer.json();
        }

        function take(page) {
          const now = { time: performance.now(), page };
          // A server that has started again counts from zero.
          if (answers.length && page.uptime_seconds < answers.at(-1).page.uptime_seconds) answers = [];
          answers = answers.filter((answer) => now.time - answer.time <= WINDOW * 1000);
          history = history.filter((figure) => now.time - figure.time <= HISTORY * 1000).slice(-(POINTS_MAX - 1));
          const figure = figures(now, answers.at(-1), answers[0]);
          answers.push(now);
          history.push(figure);
          byId("main").hidden = false;
          byId("access").hidden = true;
          showHealth(page);
          showTiles(figure, page);
          showMemory(figure, page);
          showGovernor(page.governor);
          showState(page);
          showHosted(page.hosted ?? []);
          for (const chart of charts) chart.show(history);
        }

        async function refresh() {
          clearTimeout(timer);
          try {
            take(await ask("debug/overview"));
            if (answers.at(-1).page.state && performance.now() - stateAsked >= STATE_PERIOD) {
              stateAsked = performance.now();
              showContents(await ask("debug/state"));
            }
          } catch (error) {
            if (error instanceof Refused) return wantToken();
            byId("health").className = "dot bad";
            byId("state").textContent = "No answer";
            notice(error.name === "TimeoutError" ? "The server has not answered for 5 s."
              : `The server cannot be asked: ${error.message}`);
          }
          plan();
        }

        function plan() {
          clearTimeout(timer);
          if (!isPaused && !document.hidden) timer = setTimeout(refresh, PERIOD);
        }

        function wantToken() {
          notice(token === null ? "" : "The server does not know this token.");
          token = null;
          byId("health").className = "dot";
          byId("state").textContent = "Token needed";
          byId("main").hidden = true;
          byId("access").hidden = false;
          byId("token").focus();
        }

        byId("access").addEventListener("submit", (event) => {
          event.preventDefault();
          token = byId("token").value.trim();
          byId("token").value = "";
          stateAsked = -Infinity;
          refresh();
        });
        byId("pause").addEventListener("click", () => {
          isPaused = !isPaused;
          byId("pause").textContent = isPaused ? "Resume" : "Pause";
          byId("pause").setAttribute("aria-pressed", String(isPaused));
          if (isPaused) clearTimeout(timer); else refresh();
        });
        document.addEventListener("visibilitychange", () => {
          if (document.hidden) clearTimeout(timer); else if (!isPaused && byId("access").hidden) refresh();
        });
        byId("ladder").append(...Object.values(RUNGS).map((name) => element("li", {}, name)));
        refresh();

        """#
}

extension DashboardScript {
    /// Asks, shows what is answered, and asks again.
    static let asking = #"""
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

extension DashboardScript {
    /// Hosted servers and their children.
    static let hosted = #"""
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
        """#
}

extension DashboardScript {
    /// How state stands, and which objects are largest.
    static let state = #"""
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
        """#
}

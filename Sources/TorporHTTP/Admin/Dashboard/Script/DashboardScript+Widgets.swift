extension DashboardScript {
    /// Tiles and meters.
    static let widgets = #"""
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
        """#
}

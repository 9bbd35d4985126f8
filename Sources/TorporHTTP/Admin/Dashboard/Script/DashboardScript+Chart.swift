extension DashboardScript {
    /// Curves of the last minutes.
    static let chart = #"""
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
        """#
}

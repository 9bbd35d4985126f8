extension DashboardScript {
    /// How often is asked and how much is shown, and how the page is written to.
    static let elements = #"""
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
        """#
}

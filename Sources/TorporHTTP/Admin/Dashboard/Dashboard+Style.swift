extension Dashboard {
    /// How the dashboard looks, by light and in the dark, on a desk and on a telephone.
    static let style = #"""
        :root {
          --page: #f4f5f7; --card: #ffffff; --line: #d9dde3; --text: #16202c; --quiet: #546170; --track: #e6e9ee;
          --blue: #1f62c4; --teal: #0b7a70; --amber: #a35c00; --red: #bb2430; --violet: #7042b8; --green: #1c7a3d;
          --focus: #1f62c4;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --page: #10151b; --card: #1a2129; --line: #303a45; --text: #e7ecf1; --quiet: #a2afbc; --track: #2a333d;
            --blue: #6ea8fe; --teal: #3fc3b4; --amber: #eaa63c; --red: #ff7b80; --violet: #b896f2; --green: #5ecb83;
            --focus: #9cc4ff;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        body {
          margin: 0 auto; max-width: 84rem; padding: 0 1rem 1.5rem; background: var(--page); color: var(--text);
          font: 0.9375rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
          font-variant-numeric: tabular-nums;
        }
        header { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 1rem; padding: 0.9rem 0; }
        header p { margin: 0; }
        h1 { margin: 0; font-size: 1.3rem; letter-spacing: -0.01em; }
        h1 small { font-size: 0.85rem; font-weight: 400; color: var(--quiet); }
        h2 { margin: 0 0 0.6rem; font-size: 0.95rem; font-weight: 600; }
        .quiet { color: var(--quiet); font-size: 0.85rem; }
        .status { font-weight: 600; }
        .dot { display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.45em; border-radius: 50%;
          background: var(--quiet); }
        .dot.good { background: var(--green); }
        .dot.bad { background: var(--red); border-radius: 0; }
        button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
          border-radius: 0.4rem; padding: 0.3rem 0.8rem; }
        button { cursor: pointer; }
        #pause { margin-left: auto; }
        input { width: min(24rem, 100%); }
        :focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
        a { color: var(--blue); }
        .card, .tile, .notice { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
        .card { padding: 0.9rem 1rem; margin: 0; min-width: 0; }
        .notice { padding: 0.7rem 1rem; margin: 0 0 0.8rem; border-left: 4px solid var(--red); }
        #access { margin-bottom: 0.8rem; }
        #access label { display: block; font-weight: 600; margin-bottom: 0.25rem; }
        .tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.8rem; margin-bottom: 0.8rem; }
        .tile { padding: 0.7rem 0.9rem; min-width: 0; }
        .tile h2 { margin: 0; font-weight: 500; font-size: 0.85rem; color: var(--quiet); }
        .tile .figure { margin: 0.1rem 0 0; font-size: 1.55rem; font-weight: 600; letter-spacing: -0.02em;
          white-space: nowrap; }
        .tile .figure small { font-size: 0.9rem; font-weight: 500; color: var(--quiet); letter-spacing: 0; }
        .tile .note { margin: 0; font-size: 0.8rem; color: var(--quiet); overflow-wrap: anywhere; min-height: 1.45em; }
        .tile.warn { border-color: var(--amber); box-shadow: inset 3px 0 0 var(--amber); }
        .columns, .charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.8rem;
          margin-bottom: 0.8rem; }
        .stack { display: flex; flex-direction: column; gap: 0.8rem; min-width: 0; }
        .grows { flex: 1; }
        .charts { grid-template-columns: repeat(3, minmax(0, 1fr)); }
        .meter { margin: 0 0 0.55rem; }
        .meter p { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem;
          margin: 0 0 0.15rem; font-size: 0.85rem; }
        .meter .amount { color: var(--quiet); }
        .track { height: 0.5rem; border-radius: 0.25rem; background: var(--track); overflow: hidden; }
        .fill { height: 100%; width: 0; border-radius: 0.25rem; background: var(--blue); }
        .fill.high { background: var(--amber); }
        .fill.full { background: var(--red); }
        .ladder { list-style: none; margin: 0 0 0.8rem; padding: 0; display: grid; gap: 0.25rem;
          grid-template-columns: repeat(4, minmax(0, 1fr)); }
        .ladder li { padding: 0.25rem 0.5rem; border-radius: 0.35rem; background: var(--track); color: var(--quiet);
          font-size: 0.8rem; overflow-wrap: anywhere; }
        .ladder li[aria-current] { color: var(--card); background: var(--green); font-weight: 600; }
        .ladder li[aria-current].active { background: var(--amber); }
        .ladder li[aria-current].severe { background: var(--red); }
        figure { margin: 0; }
        figcaption { display: flex; flex-wrap: wrap; gap: 0.1rem 0.9rem; align-items: baseline;
          margin-bottom: 0.35rem; }
        figcaption h2 { margin: 0; flex: 1 0 100%; }
        .key { font-size: 0.8rem; white-space: nowrap; }
        .key::before { content: ""; display: inline-block; width: 0.9em; height: 0.2em; margin-right: 0.35em;
          vertical-align: 0.25em; background: currentColor; }
        .key span { color: var(--text); }
        svg { display: block; width: 100%; height: 8.5rem; overflow: visible; }
        svg text { fill: var(--quiet); font-size: 11px; }
        svg .grid { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
        svg .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
        svg .cursor { stroke: var(--quiet); stroke-dasharray: 3 3; vector-effect: non-scaling-stroke; }
        .blue { color: var(--blue); stroke: var(--blue); } .teal { color: var(--teal); stroke: var(--teal); }
        .amber { color: var(--amber); stroke: var(--amber); } .red { color: var(--red); stroke: var(--red); }
        .violet { color: var(--violet); stroke: var(--violet); }
        table { border-collapse: collapse; width: 100%; font-size: 0.85rem; }
        th { text-align: left; font-weight: 500; color: var(--quiet); }
        th, td { padding: 0.25rem 0.6rem 0.25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
        tr:last-child > * { border-bottom: 0; }
        .number { text-align: right; }
        .pairs th { white-space: normal; vertical-align: top; }
        .pairs td { text-align: right; white-space: normal; padding-right: 0; }
        td code, code { font: 0.9em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
        .scroll { overflow-x: auto; }
        .apart { margin-bottom: 0.8rem; }
        #hosted tbody th { color: var(--text); font-weight: 600; }
        #hosted tbody > tr > * { border-bottom: 0; }
        #hosted tbody + tbody > :first-child > * { border-top: 1px solid var(--line); }
        #hosted .child > * { padding-top: 0.1rem; padding-bottom: 0.1rem; color: var(--quiet); }
        #hosted .child > :first-child { padding-left: 1.2rem; }
        #hosted .failure { color: var(--red); white-space: normal; overflow-wrap: anywhere; }
        .standings { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.4rem 0.8rem; margin: 0; }
        .standings dt { color: var(--quiet); font-size: 0.8rem; }
        .standings dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
        @media (max-width: 64rem) { .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
        @media (max-width: 46rem) {
          .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.5rem; }
          .columns, .charts { grid-template-columns: minmax(0, 1fr); }
          .ladder { grid-template-columns: repeat(2, minmax(0, 1fr)); }
          .tile .figure { font-size: 1.3rem; }
          #uptime { order: 4; width: 100%; }
        }
        @media (prefers-reduced-motion: no-preference) { .fill { transition: width 0.4s; } }

        """#
}

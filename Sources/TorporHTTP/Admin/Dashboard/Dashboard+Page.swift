extension Dashboard {
    /// What is on the dashboard: places that the script fills.
    static let page = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Torpor</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="dashboard.css">
        <script src="dashboard.js" defer></script>
        </head>
        <body>
        <header>
          <h1>Torpor <small id="version"></small></h1>
          <p class="status" role="status"><span id="health" class="dot"></span><span id="state">Connecting</span></p>
          <p id="uptime" class="quiet"></p>
          <button id="pause" type="button" aria-pressed="false">Pause</button>
        </header>
        <noscript>
          <p class="notice">This page needs JavaScript. The same figures are at /metrics and /debug/overview.</p>
        </noscript>
        <p id="notice" class="notice" role="alert" hidden></p>
        <form id="access" class="card" hidden>
          <h2>Token needed</h2>
          <p>This server shows its state to bearers of a token of its <code>--admin-token-file</code>. The token stays
            in this page's memory and is gone when the page is.</p>
          <label for="token">Token</label>
          <input id="token" type="password" autocomplete="off" spellcheck="false" required>
          <button type="submit">Show</button>
        </form>
        <main id="main" hidden>
          <section id="tiles" class="tiles" aria-label="Now"></section>
          <div class="columns">
            <section class="card" aria-labelledby="memory-title">
              <h2 id="memory-title">Memory and limits</h2>
              <div id="meters"></div>
            </section>
            <div class="stack">
              <section class="card" aria-labelledby="governor-title">
                <h2 id="governor-title">Governor</h2>
                <p id="governor-reason" class="quiet"></p>
                <ol id="ladder" class="ladder"></ol>
                <div id="pressures"></div>
              </section>
              <section class="card grows" aria-labelledby="objects-title">
                <h2 id="objects-title">State objects in memory</h2>
                <div id="standings"></div>
              </section>
            </div>
          </div>
          <section id="hosted-card" class="card apart" aria-labelledby="hosted-title" hidden>
            <h2 id="hosted-title">Hosted servers</h2>
            <div class="scroll" role="region" aria-labelledby="hosted-title" tabindex="0">
              <table id="hosted">
                <thead><tr>
                  <th scope="col">Server, and whom its children are for</th><th scope="col">Children</th>
                  <th scope="col" class="number">Calls</th><th scope="col" class="number">Memory</th>
                  <th scope="col" class="number">Waiting</th><th scope="col" class="number">Starts</th>
                  <th scope="col" class="number">Failed</th><th scope="col" class="number">Ended</th>
                </tr></thead>
              </table>
            </div>
          </section>
          <section id="charts" class="charts" aria-label="The last 10 minutes"></section>
          <div class="columns">
            <section class="card" aria-labelledby="totals-title">
              <h2 id="totals-title">Since the start</h2>
              <table class="pairs" id="totals"><tbody></tbody></table>
            </section>
            <section class="card" aria-labelledby="largest-title">
              <h2 id="largest-title">Largest objects in memory</h2>
              <div class="scroll" role="region" aria-labelledby="largest-title" tabindex="0">
                <table id="largest">
                  <thead><tr>
                    <th scope="col">Id</th><th scope="col">Kind</th><th scope="col" class="number">Bytes</th>
                    <th scope="col" class="number">Values</th><th scope="col">Standing</th>
                    <th scope="col" class="number">Unused</th>
                  </tr></thead>
                  <tbody></tbody>
                </table>
              </div>
              <p id="duplicated" class="quiet"></p>
            </section>
          </div>
        </main>
        <footer class="quiet">
          Asks <code>/debug/overview</code> every 2 s and <code>/debug/state</code> every 30 s while it is looked at,
          and keeps 10 minutes in this page. <a href="metrics">Prometheus metrics</a>
        </footer>
        </body>
        </html>

        """#
}

/// What the dashboard does.
///
/// It writes text as text alone, so that no name of an object can become markup.
enum DashboardScript {
    /// One file for browsers. Each part builds on those before it; the last one begins to ask.
    static let text =
        [
            elements, texts, figures, widgets, chart, overview, state, hosted, asking,
        ].joined(separator: "\n\n") + "\n"
}

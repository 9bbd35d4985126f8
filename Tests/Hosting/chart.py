"""A line chart over time as SVG, with one panel above the other."""

import html
import typing

COLOURS = ("#0b6e99", "#d9480f", "#5c7a29", "#7048a8")
WIDTH, PANEL, LEFT, RIGHT, TOP, GAP, BOTTOM = 860, 220, 64, 16, 56, 44, 40


class Panel(typing.NamedTuple):
    """One panel: `lines` are points (seconds, value) by name; names are the same in all panels."""

    title: str
    lines: dict


def ticks(most):
    """Round numbers from 0 to `most` or a little more, at most six."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if most <= step * factor * 5:
                width = step * factor
                return [width * number for number in range(int(most / width + 0.999) + 1)] if most > 0 else [0, width]
        step *= 10


def svg(title, panels):
    """The picture as text."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    times = ticks(max(x for panel in panels for points in panel.lines.values() for x, _ in points))
    across = (WIDTH - LEFT - RIGHT) / times[-1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{html.escape(title)}</text>',
    ]
    x = LEFT
    for name, colour in zip(names, COLOURS):
        parts.append(f'<rect x="{x}" y="26" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="36">{html.escape(name)}</text>')
        x += 40 + 7 * len(name)
    for number, panel in enumerate(panels):
        top = TOP + number * (PANEL + GAP)
        values = ticks(max(y for points in panel.lines.values() for _, y in points))
        up = (PANEL - 18) / values[-1]
        bottom = top + PANEL
        parts.append(f'<text x="{LEFT}" y="{top + 10}">{html.escape(panel.title)}</text>')
        for value in values:
            y = bottom - value * up
            parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:g}</text>')
        for seconds in times:
            place = LEFT + seconds * across
            parts.append(f'<line x1="{place:.1f}" y1="{bottom}" x2="{place:.1f}" y2="{bottom + 4}" stroke="#555"/>')
            parts.append(
                f'<text x="{place:.1f}" y="{bottom + 17}" text-anchor="middle" fill="#555">{seconds:g} s</text>'
            )
        for name, points in panel.lines.items():
            path = " ".join(f"{LEFT + x * across:.1f},{bottom - y * up:.1f}" for x, y in points)
            colour = COLOURS[names.index(name)]
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    return "\n".join([*parts, "</svg>", ""])

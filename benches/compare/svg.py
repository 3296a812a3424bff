"""Two kinds of plot, written by hand: lines, and dots on a row. Readable on a light page and on a dark one."""

import math
from html import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 78, 56

STYLE = """
svg { --page: #ffffff; --ink: #1f2328; --faint: #d8dee4; --dim: #59636e; --a: #bc4c00; --b: #0550ae; --c: #6e7781; --d: #1a7f37; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --ink: #e6edf3; --faint: #30363d; --dim: #9198a1; --a: #f0883e; --b: #58a6ff; --c: #8b949e; --d: #3fb950; }
}
text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.title { font-size: 16px; font-weight: 600; }
.dim { fill: var(--dim); }
.grid { stroke: var(--faint); stroke-width: 1; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.spread { stroke-width: 1.5; opacity: .6; }
"""


def colour(name):
    return f"var(--{name})"


class Axis:
    """Maps values to pixels, evenly or by their logarithm."""

    def __init__(self, values, start, end, logarithmic, ticks=None):
        self.logarithmic, self.start, self.end = logarithmic, start, end
        values = [value for value in values if value > 0 or not logarithmic]
        low, high = min(values), max(values)
        if ticks is not None:
            # A line may end at the frame; the ticks are where something was measured.
            self.ticks, self.low, self.high = ticks, low, high
        elif logarithmic:
            first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
            last = max(last, first + 1)
            self.ticks = [10.0**power for power in range(first, last + 1)]
            self.low, self.high = self.ticks[0], self.ticks[-1]
        else:
            step = nice_step(high)
            self.ticks = [step * i for i in range(math.ceil(high / step) + 1)]
            self.low, self.high = 0, self.ticks[-1]

    def at(self, value):
        def place(v):
            return math.log10(max(v, self.low)) if self.logarithmic else v
        low, high = place(self.low), place(self.high)
        return self.start + (place(value) - low) / ((high - low) or 1) * (self.end - self.start)


def nice_step(high):
    power = 10 ** math.floor(math.log10(high / 4))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if high / (step * power) <= 5)


def text(x, y, words, classes="", anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{classes}">{escape(words)}</text>'


def segment(x1, y1, x2, y2, classes, stroke=None):
    paint = f' style="stroke: {stroke}"' if stroke else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{classes}"{paint}/>'


def page(title, subtitle, legend, body, height=HEIGHT):
    """`legend`: (name, colour, dashed) of each series."""
    parts = [text(LEFT, 24, title, "title", "start"), text(LEFT, 43, subtitle, "dim", "start")]
    x = LEFT
    for name, paint, dashed in legend:
        parts.append(stroke([(x, 59), (x + 24, 59)], paint, dashed))
        parts.append(text(x + 30, 63, name, "", "start"))
        x += 44 + 6.7 * len(name)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height}" style="fill: var(--page)"/>',
        *parts, *body, "</svg>", ""])


def stroke(points, paint, dashed):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = " stroke-dasharray: 7 5;" if dashed else ""
    return f'<polyline points="{path}" class="line" style="stroke: {paint};{dash}"/>'


def dot(x, y, paint):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" style="fill: {paint}"/>'


def lines(title, subtitle, series, x_label, x_name, y_name, x_log=False, y_log=False, x_ticks=None, marks=True):
    """`series`: (name, colour, dashed, [(x, [least, median, greatest])]). The spread is drawn as a bar."""
    points = [point for _, _, _, run in series for point in run]
    across = Axis([x for x, _ in points], LEFT + 14, WIDTH - RIGHT - 14, x_log, x_ticks)
    down = Axis([value for _, spread in points for value in spread], HEIGHT - BOTTOM, TOP, y_log)
    body = []
    for tick in down.ticks:
        body.append(segment(LEFT, down.at(tick), WIDTH - RIGHT, down.at(tick), "grid"))
        body.append(text(LEFT - 8, down.at(tick) + 4, y_name(tick), "dim", "end"))
    for tick in across.ticks:
        body.append(text(across.at(tick), HEIGHT - BOTTOM + 20, x_name(tick), "dim"))
    body.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_label, "dim"))
    for _, paint, dashed, run in series:
        body.append(stroke([(across.at(x), down.at(spread[1])) for x, spread in run], paint, dashed))
        for x, spread in run if marks else ():
            body.append(segment(across.at(x), down.at(spread[0]), across.at(x), down.at(spread[2]), "spread", paint))
            body.append(dot(across.at(x), down.at(spread[1]), paint))
    return page(title, subtitle, [entry[:3] for entry in series], body)


def dots(title, subtitle, legend, rows, x_name):
    """`legend`: (name, colour); `rows`: (label, [[least, median, greatest] or None for each of the legend]). The axis is
    logarithmic."""
    left, height = 210, TOP + 44 * len(rows) + 40
    values = [value for _, spreads in rows for spread in spreads if spread for value in spread]
    across = Axis(values, left, WIDTH - RIGHT - 30, True)
    body = []
    for tick in across.ticks:
        body.append(segment(across.at(tick), TOP, across.at(tick), height - 36, "grid"))
        body.append(text(across.at(tick), height - 16, x_name(tick), "dim"))
    for number, (label, spreads) in enumerate(rows):
        y = TOP + 22 + 44 * number
        body.append(text(left - 14, y + 4, label, "", "end"))
        for place, spread in enumerate(spreads):
            if not spread:
                continue
            paint, row = legend[place][1], y + (place - (len(spreads) - 1) / 2) * 16
            body.append(segment(across.at(spread[0]), row, across.at(spread[2]), row, "spread", paint))
            body.append(dot(across.at(spread[1]), row, paint))
            body.append(text(across.at(spread[2]) + 9, row + 4, x_name(spread[1]), "dim", "start"))
    return page(title, subtitle, [(*entry, False) for entry in legend], body, height)

"""The plots of docs/, from the results of one host."""

from plan import MILLION, SIZES, THREADS
from svg import colour, dots, lines

PLAIN, OURS, FLOOR = colour("a"), colour("b"), colour("c")


def nanoseconds(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size * 0.9995:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def count(n):
    if n >= MILLION:
        return f"{n / MILLION:g} M"
    return f"{n / 1000:g} k" if n >= 1000 else f"{n:g}"


def series(results, name, paint, dashed, side, figure, pattern, places, scale=1):
    """A line through one figure of measurements that differ in one number."""
    points = []
    for place in places:
        value = results.get(pattern.format(place), {}).get(side, {}).get(figure)
        if value:
            points.append((place, [v * scale for v in value]))
    return (name, paint, dashed, points)


def with_points(all_series):
    return [entry for entry in all_series if entry[3]]


def draw_all(results, plain, ours):
    """(file name, SVG) of each plot for which there are results."""
    subtitle = f"{plain} and {ours}; median of the runs, and their spread"
    drawings = {
        "bench-add.svg": draw_add(results, subtitle),
        "bench-growth.svg": draw_growth(results, subtitle, plain, ours),
        "bench-churn.svg": draw_threads(
            results, subtitle, plain, ours, "churn", "Adding and removing, 100,000 cached: million calls a second"),
        "bench-lookups.svg": draw_threads(
            results, subtitle, plain, ours, "lookups", "95 % look-ups, 100,000 cached: million calls a second"),
        "bench-flush.svg": draw_flush(results, subtitle, plain, ours),
        "bench-handshakes.svg": draw_handshakes(results, subtitle),
        "bench-memory.svg": draw_memory(results, subtitle, plain, ours),
    }
    return {name: drawing for name, drawing in drawings.items() if drawing}


def draw_add(results, subtitle):
    sizes = (*SIZES, 10 * MILLION)
    run = with_points([
        series(results, "libssl, mixed timeouts", PLAIN, False, "plain", "ns", "add/mixed/{}", sizes),
        series(results, "one timeout", PLAIN, True, "plain", "ns", "add/uniform/{}", sizes),
        series(results, "sslcache, mixed", OURS, False, "ours", "ns", "add/mixed/{}", sizes),
        series(results, "one timeout", OURS, True, "ours", "ns", "add/uniform/{}", sizes),
        series(results, "floor", FLOOR, True, "ours", "floor", "add/uniform/{}", sizes),
    ])
    ticks = sorted({x for entry in run for x, _ in entry[3]})
    return len(ticks) > 1 and lines(
        "What an add costs", subtitle, run, "sessions cached", count, nanoseconds, True, True, ticks)


def draw_growth(results, subtitle, plain, ours):
    summary = results.get("growth")
    rows = [(label, [summary[side].get(figure) for side in ("plain", "ours")])
            for label, figure in (("median", "p50"), ("p99", "p99"), ("p99.9", "p999"), ("worst", "worst"))
            ] if summary else []
    return rows and dots(
        "An add while the cache grows from nothing to 1,000,000", subtitle, [(plain, PLAIN), (ours, OURS)], rows,
        nanoseconds)


def draw_threads(results, subtitle, plain, ours, kind, title):
    run = with_points([
        series(results, plain, PLAIN, False, "plain", "per_second", kind + "/{}", THREADS, 1e-6),
        series(results, ours, OURS, False, "ours", "per_second", kind + "/{}", THREADS, 1e-6),
    ])
    enough = run and len(run[0][3]) > 1
    return enough and lines(title, subtitle, run, "threads", str, "{:g}".format, True, False, list(THREADS))


def draw_flush(results, subtitle, plain, ours):
    summary = results.get("flush")
    if not summary:
        return None

    def row(label, figure, scale=1):
        return (label, [[v * scale for v in summary[side][figure]] for side in ("plain", "ours")])
    rows = [row("the flush", "flush_ms", 1e6), row("worst add beside it", "worst"),
            row("p99.9 of these adds", "p999"), row("median of these adds", "p50")]
    return dots("A flush of 1,000,000 expired sessions, and the adds of another thread", subtitle,
                [(plain, PLAIN), (ours, OURS)], rows, nanoseconds)


def draw_handshakes(results, subtitle):
    threads = (1, 2, 8)
    run = with_points([
        series(results, "libssl, TLS 1.2", PLAIN, False, "plain", "per_second", "handshakes/12/{}", threads),
        series(results, "TLS 1.3", PLAIN, True, "plain", "per_second", "handshakes/13/{}", threads),
        series(results, "sslcache, TLS 1.2", OURS, False, "ours", "per_second", "handshakes/12/{}", threads),
        series(results, "TLS 1.3", OURS, True, "ours", "per_second", "handshakes/13/{}", threads),
    ])
    enough = run and len(run[0][3]) > 1
    return enough and lines(
        "Resumed handshakes a second, both ends in one process", subtitle, run, "threads", str, count, True, False,
        list(threads))


def draw_memory(results, subtitle, plain, ours):
    summary = results.get("memory")
    if not summary:
        return None
    run = [(name, paint, False, [(x, [y, y, y]) for x, y in summary[side]["curve"]])
           for name, paint, side in ((plain, PLAIN, "plain"), (ours, OURS, "ours"))]
    ticks = [x for x, _ in summary["ours"]["curve"]][7::8]
    return lines("Memory beyond the SSL_SESSION: bytes a session", subtitle, run, "sessions cached", count,
                 "{:g}".format, False, False, ticks, False)

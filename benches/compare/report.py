"""The results in words: a table for the terminal, a page for docs/."""

from plots import nanoseconds
from targets import judge_all

# What is compared of each kind of measurement: (figure, its name, how to write it).
FIGURES = {
    "add": [("ns", "an add", nanoseconds), ("p50", "p50", nanoseconds), ("p99", "p99", nanoseconds),
            ("p999", "p99.9", nanoseconds), ("worst", "worst", nanoseconds), ("of_floor", "times the floor", "{:.2f}".format)],
    "churn": [("per_second", "calls a second", "{:,.0f}".format), ("cpu_ns", "processor time", nanoseconds)],
    "flush": [("flush_ms", "the flush", lambda ms: nanoseconds(ms * 1e6)), ("p50", "p50 of adds", nanoseconds),
              ("p99", "p99", nanoseconds), ("worst", "worst", nanoseconds)],
    "machine": [("pause", "longest pause", nanoseconds)],
    "workers": [("per_cpu_second", "a processor second", "{:,.0f}".format), ("resumed_share", "resumed", "{:.0%}".format)],
    "handshakes": [("per_second", "a second", "{:,.0f}".format), ("cpu_ns", "processor time", nanoseconds)],
    "memory": [("bytes", "bytes a session", "{:.1f}".format), ("accounted", "by its own account", "{:.1f}".format)],
}
# Of the measurement that a floor belongs to.
FLOORS = [("floor", "the floor", nanoseconds), ("floor_250", "and 250 instructions", nanoseconds),
          ("floor_500", "and 500 instructions", nanoseconds)]
KINDS = {"hot": "add", "full": "add", "growth": "add", "prefix": "add", "again": "add", "lookups": "churn"}


def figures(name):
    kind = name.split("/")[0]
    return FIGURES[KINDS.get(kind, kind)] + (FLOORS if name == "add/uniform/1000000" else [])


def times(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def rows(measurements):
    """(title, figure, libssl, sslcache, ratio of the times with its spread) as text."""
    for name, summary in measurements.items():
        title = summary["title"]
        for figure, label, write in figures(name):
            sides = [summary.get(side, {}).get(figure) for side in ("plain", "ours")]
            if not any(sides) or few_samples(summary, figure):
                continue
            ratio = summary.get("ratio", {}).get(figure)
            if figure in ("per_second", "per_cpu_second", "resumed_share") and ratio:
                ratio = [1 / value for value in reversed(ratio)]
            spread = f"{times(ratio[1])} ({times(ratio[0])} to {times(ratio[2])})" if ratio else ""
            yield (title, label, *[write(side[1]) if side else "" for side in sides], spread)
            title = ""


def few_samples(summary, figure):
    """A thousandth of fewer than a thousand samples is the worst one."""
    counts = [summary[side]["samples"][1] for side in ("plain", "ours") if "samples" in summary.get(side, {})]
    return figure == "p999" and min(counts, default=0) < 1000


def verdict(row):
    if row["value"] is None:
        return "not measured"
    least, median, greatest = map(times, row["value"])
    return f"{'' if row['met'] else '**missed:** '}{median}{row['unit']} ({least} to {greatest})"


def verdict(row):
    if row["value"] is None:
        return "not measured"
    least, median, greatest = map(times, row["value"])
    return f"{'' if row['met'] else '**missed:** '}{median}{row['unit']} ({least} to {greatest})"


def print_report(host):
    width = max(len(row[0]) for row in rows(host["measurements"])) + 2
    print(f"{'':{width}} {'':20} {host['plain']:>16} {host['ours']:>16}  ours is better by (spread of the runs)")
    for title, label, plain, ours, ratio in rows(host["measurements"]):
        print(f"{title:{width}} {label:20} {plain:>16} {ours:>16}  {ratio}")
    print("\nTimes libssl's rate, or another unit: to be reached, and the median with the spread of the runs")
    for row in judge_all(host["measurements"]):
        print(f"  {row['what']:70} {row['bound']:18} {verdict(row).replace('*', '')}")


def opening(hosts):
    """What is to be reached, and what was, on each libssl: one screen."""
    judged = [judge_all(host["measurements"]) for host in hosts]
    text = ["| times libssl's rate | to be reached | " + " | ".join(host["plain"] for host in hosts) + " |",
            "|---|---:|" + "---|" * len(hosts)]
    for on_each in zip(*judged):
        row = on_each[0]
        text += [f"| {row['what']} | {row['bound']} | " + " | ".join(map(verdict, on_each)) + " |"]
    return text


def page(results):
    """docs/benchmarks.md."""
    hosts = list(results["hosts"].values())
    text = ["# Measured", "", *opening(hosts), "",
            "Medians, and the least and the greatest of the runs in brackets: " +
            ", ".join(f"{host['rounds']} rounds on {host['plain']}" for host in hosts) +
            ". Instructions, the region, and why a row is missed: [speed.md](speed.md).", "",
            "Made by `make bench`: the same C program on libssl's own session cache and, preloaded, on sslcache, run in turn.",
            "Times of single-threaded calls are processor time, percentiles are by the clock; a call in which the kernel",
            "let another program run is counted apart. The floor is what no cache can do without: to read the id and to",
            "take and drop a reference, on the same sessions in the same order. [How it is done](../benches/README.md).", "",
            f"Machine: {results['machine']}.", ""]
    for host in hosts:
        text += [f"## {host['plain']} and {host['ours']}", "",
                 f"| measured | | {host['plain']} | {host['ours']} | ours is better by (spread) |",
                 "|---|---|---:|---:|---:|"]
        text += ["| " + " | ".join(row) + " |" for row in rows(host["measurements"])]
        text += [""]
        if host.get("plots"):
            text += [f"![{name}]({name})\n" for name in host["plots"]]
    return "\n".join(text)

"""Draws the hit ratios that `cargo bench --bench hit_ratio -- --json FILE` wrote: draw.py FILE FOLDER."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "compare"))

from svg import colour, lines  # noqa: E402

# Name in the results, name in the plot, colour, dashed.
POLICIES = (
    ("belady", "optimum", colour("c"), True),
    ("ours", "sslcache", colour("b"), False),
    ("s3-fifo", "S3-FIFO", colour("b"), True),
    ("w-tinylfu", "W-TinyLFU", colour("d"), False),
    ("quick", "quick_cache", colour("d"), True),
    ("lru", "LRU", colour("a"), True),
    ("random", "random", colour("c"), False),
    ("host", "libssl", colour("a"), False),
)


def percent(value):
    return f"{value:g} %"


def draw(trace, shares):
    # Ours last, so that it lies on top.
    series = [
        (shown, paint, dashed, [(share, [100 * ratio] * 3) for share, ratio in zip(shares, trace["hit_ratio"][name])])
        for name, shown, paint, dashed in sorted(POLICIES, key=lambda policy: policy[0] == "ours")]
    return lines(f"{trace['title']}: sessions found when their client returns", trace["about"], series,
                 "capacity, in percent of the clients that return", percent, percent, x_log=True, x_ticks=shares)


def main():
    results, folder = sys.argv[1:]
    with open(results, encoding="utf-8") as file:
        results = json.load(file)
    for trace in results["traces"]:
        with open(os.path.join(folder, f"hit-ratio-{trace['name']}.svg"), "w", encoding="utf-8") as file:
            file.write(draw(trace, results["percent_of_clients"]))


main()

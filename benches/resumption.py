"""Draws how many clients of the distribution's nginx are resumed, by the number of its worker processes: resumption.py STAGE
RESULTS FOLDER. The runs are those of tools/demo."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "compare"))

from svg import colour, lines  # noqa: E402

WORKERS = (1, 2, 4, 8, 16)
# Form and protocol as the demo names them, name in the plot, colour, dashed.
SERIES = (
    ("plain", "1.2", "libssl, TLS 1.2", colour("a"), False),
    ("plain", "1.3", "TLS 1.3", colour("a"), True),
    ("preloaded", "1.2", "sslcache, TLS 1.2", colour("b"), False),
    ("preloaded", "1.3", "TLS 1.3", colour("b"), True),
)


def run(stage, workers):
    """Resumed in percent, by form and protocol: of the demo's first table, whose rows have nine words."""
    demo = subprocess.run([os.path.join(HERE, os.pardir, "tools", "demo"), stage, str(workers)],
                          check=True, stdout=subprocess.PIPE, text=True)
    rows = [line.split() for line in demo.stdout.splitlines()]
    return {f"{row[0]} {row[2]}": 100 * int(row[4]) / int(row[3]) for row in rows if len(row) == 9 and row[1] == "TLS"}


def main():
    stage, results, folder = sys.argv[1:]
    measured = {}
    for workers in WORKERS:
        measured[workers] = run(stage, workers)
        print(f"{workers:>3} workers: " + ", ".join(f"{name} {share:g} %" for name, share in measured[workers].items()))
    with open(results, "w", encoding="utf-8") as file:
        json.dump(measured, file, indent=1)
        file.write("\n")
    series = [(name, paint, dashed, [(w, [measured[w][f"{form} {protocol}"]] * 3) for w in WORKERS])
              for form, protocol, name, paint, dashed in SERIES]
    with open(os.path.join(folder, "resumption.svg"), "w", encoding="utf-8") as file:
        file.write(lines("Clients that come back to nginx and are resumed",
                         "ssl_session_cache builtin, tickets off; 200 clients come, and come back once, over new connections",
                         series, "worker processes", str, "{:g} %".format, x_log=True, x_ticks=list(WORKERS)))


main()

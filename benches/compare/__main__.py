"""Compares libssl's own session cache with sslcache: runs, figures, plots. See benches/README.md."""

import argparse
import json
import os
import platform
import re
import sys
import time

import plots
import report
from plan import full_plan, smoke_plan, ten_million
from runs import Failed, Side, run_all, summary


def arguments():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("--program", required=True, help="session-bench")
    parser.add_argument("--preload", required=True, help="libsslcache.so")
    parser.add_argument("--libraries", help="folder of the libssl that both run on, if not the system's")
    parser.add_argument("--results", help="JSON file to write")
    parser.add_argument("--docs", help="folder for the page and, of the system's libssl, the plots")
    parser.add_argument("--budget", type=float, default=500, help="seconds; at least three rounds are made")
    parser.add_argument("--only", default="", help="regular expression: the measurements wanted")
    parser.add_argument("--smoke", action="store_true", help="each measurement for a moment, no results")
    return parser.parse_args()


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = re.findall(r"^model name\s*: (.*)$", file.read(), re.M)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} processors ({model}), {memory:.0f} GiB, {platform.system()} {platform.release()}"


def measure(options, wanted):
    ours = Side(options.program, options.libraries, options.preload)
    sides = {"plain": Side(options.program, options.libraries, None), "ours": ours}

    def is_wanted(m):
        return wanted(m.name) or wanted(m.title)

    plan = [m for m in (smoke_plan() if options.smoke else full_plan()) if is_wanted(m)]
    once = [] if options.smoke or not is_wanted(ten_million()) else [ten_million()]
    if not plan:
        sys.exit(f"ONLY={options.only}: nothing to compare has that name or title; there are:\n" + "\n".join(
            f"  {m.name:20} {m.title}" for m in full_plan()))
    pairs, rounds = run_all(plan, sides, 0 if options.smoke else options.budget, 1 if options.smoke else 3, once)
    titles = {m.name: m.title for m in [*plan, *once]}
    measurements = {name: {"title": titles[name], **summary(pairs[name])} for name in titles if name in pairs}
    first = next(pair for name in titles for pair in pairs.get(name, []) if "plain" in pair)
    return {
        "plain": f"OpenSSL {first['plain']['openssl']}",
        "ours": f"sslcache {first['ours']['sslcache']}",
        "rounds": rounds,
        "measurements": measurements,
    }


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def keep(options, host):
    """Replaces this host's part of the results; the others stay. The plots are of the system's libssl."""
    results = {"hosts": {}}
    if os.path.exists(options.results):
        with open(options.results, encoding="utf-8") as file:
            results = json.load(file)
    systems = not options.libraries
    drawings = plots.draw_all(host["measurements"], host["plain"], host["ours"]) if systems else {}
    host["plots"] = list(drawings)
    if systems:
        # The system's libssl comes first, and there is one: an update of it takes the place of what was before.
        results["machine"] = machine()
        results["hosts"] = {host["plain"]: host} | {
            name: other for name, other in results["hosts"].items() if name != host["plain"] and not other["plots"]}
    else:
        results.setdefault("machine", machine())
        results["hosts"][host["plain"]] = host
    # A figure a line: its least, median and greatest value.
    text = json.dumps(results, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[-\d.e+,\s]+\]", lambda numbers: re.sub(r"\s+", " ", numbers.group()), text)
    write(options.results, text + "\n")
    if options.docs:
        for name, drawing in drawings.items():
            write(os.path.join(options.docs, name), drawing)
        write(os.path.join(options.docs, "benchmarks.md"), report.page(results))


def main():
    options = arguments()
    begun = time.monotonic()
    try:
        host = measure(options, re.compile(options.only).search)
    except Failed as failure:
        sys.exit(f"compare: {failure}")
    if options.smoke:
        print(f"bench-smoke: {len(host['measurements'])} measurements work on {host['plain']} and {host['ours']}")
        return
    report.print_report(host)
    print(f"\n{host['rounds']} rounds, {time.monotonic() - begun:.0f} s")
    # A part of the measurements is for looking; it does not replace the whole.
    if options.results and not options.only:
        keep(options, host)


main()

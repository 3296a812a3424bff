"""Running the program in turn on both caches, and what comes of it."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

# A run that takes longer hangs.
TIMEOUT = 300


class Failed(Exception):
    """A measurement did not do what it should."""


@dataclass(frozen=True)
class Side:
    """The program, the folder of its libssl where it is not the system's, and what is preloaded."""

    program: str
    libraries: str | None
    preload: str | None

    def run(self, measurement, seed):
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        if self.libraries:
            environment["LD_LIBRARY_PATH"] = self.libraries
        if self.preload:
            environment["LD_PRELOAD"] = self.preload
        command = [self.program, *measurement.command, f"seed={seed}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        result = json.loads(done.stdout)
        if bool(result["sslcache"]) != bool(self.preload):
            raise Failed(f"{' '.join(command)}: sslcache is {'not ' if self.preload else ''}in the process")
        if result.get("refused"):
            raise Failed(f"{' '.join(command)}: {result['refused']} sessions were not resumed")
        if result.get("floor"):
            result["of_floor"] = result["ns"] / result["floor"]
        return result


def run_all(plan, sides, budget, least, once=()):
    """Rounds over the whole plan, until another one would not fit into `budget` seconds. Returns, for each
    measurement, the pairs of results as {"plain": …, "ours": …}."""
    begun = time.monotonic()
    pairs = {}
    for measurement in once:
        if available_gigabytes() < measurement.gigabytes:
            say(f"{measurement.title}: not measured, it takes {measurement.gigabytes} GiB of free memory")
            continue
        run_pair(measurement, sides, 0, pairs)
    rounds, slowest = 0, 0.0
    while rounds < least or time.monotonic() - begun + slowest < budget:
        round_begun = time.monotonic()
        for measurement in plan:
            for turn in range(measurement.repeat):
                run_pair(measurement, sides, rounds * measurement.repeat + turn, pairs)
        rounds += 1
        slowest = max(slowest, time.monotonic() - round_begun)
        say(f"round {rounds}: {time.monotonic() - round_begun:.0f} s")
        if budget == 0:
            break
    return pairs, rounds


def run_pair(measurement, sides, seed, pairs):
    """Both sides with the same sessions, one right after the other; who is first alternates."""
    names = ["ours"] if measurement.only_ours else ["plain", "ours"]
    if seed % 2:
        names.reverse()
    pair = {name: sides[name].run(measurement, seed) for name in names}
    pairs.setdefault(measurement.name, []).append(pair)


def summary(pairs):
    """Of each figure its least, median and greatest value; and the same of the ratios plain to ours, pair by pair."""
    result = {"runs": len(pairs)}
    for side in ("plain", "ours"):
        runs = [pair[side] for pair in pairs if side in pair]
        if not runs:
            continue
        names = dict.fromkeys(name for run in runs for name, value in run.items() if isinstance(value, (int, float)))
        result[side] = {name: spread([run[name] for run in runs if name in run]) for name in names}
        if "curve" in runs[0]:
            result[side]["curve"] = runs[-1]["curve"]
    if "plain" in result:
        ratios = {}
        for name in result["ours"]:
            ratio = [pair["plain"][name] / pair["ours"][name] for pair in pairs
                     if isinstance(pair["plain"].get(name), (int, float)) and pair["ours"].get(name)]
            if ratio:
                ratios[name] = spread(ratio)
        result["ratio"] = ratios
    return result


def spread(values):
    return [significant(min(values)), significant(statistics.median(values)), significant(max(values))]


def significant(value):
    return float(f"{value:.5g}")


def available_gigabytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 2**20
    return 0


def say(line):
    print(line, file=sys.stderr, flush=True)

"""What sslcache is to reach, computed from the results. For looking at: nothing fails because of a clock."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`value` of the summaries is [least, median, greatest]; the median has to be at least or at most the bound."""

    what: str
    measurement: str
    value: object
    bound: float
    at_most: bool = False
    unit: str = ""

    def judge(self, results):
        summary = results.get(self.measurement)
        value = self.value(summary) if summary else None
        row = {"what": self.what, "bound": ("at most " if self.at_most else "at least ") + f"{self.bound:,g}{self.unit}",
               "unit": self.unit, "value": value, "met": None}
        if value is not None:
            row["met"] = value[1] <= self.bound if self.at_most else value[1] >= self.bound
        return row


def faster(name="ns"):
    """How many times libssl's time ours takes."""
    return lambda summary: summary.get("ratio", {}).get(name)


def more(name="per_second"):
    """How many times libssl's rate ours is."""
    def inverse(summary):
        ratio = summary.get("ratio", {}).get(name)
        return ratio and [float(f"{1 / value:.5g}") for value in reversed(ratio)]
    return inverse


def ours(name, scale=1):
    def scaled(summary):
        value = summary["ours"].get(name)
        return value and [float(f"{v * scale:.5g}") for v in value]
    return scaled


TARGETS = [
    Target("add, mixed timeouts, 100,000 cached: times the host's rate", "add/mixed/100000", faster(), 10_000),
    Target("the same of sessions just made, as a server adds them", "hot/mixed/100000", faster(), 10_000),
    Target("add, one timeout, 1,000,000 cached: times the host's rate", "add/uniform/1000000", faster(), 3),
    Target("the same of sessions just made, as a server adds them", "hot/uniform/1000000", faster(), 3),
    Target("add, one timeout, 1,000,000 cached: times the floor", "add/uniform/1000000", ours("of_floor"), 2.5, True),
    Target("p99.9 of an add, from nothing to 1,000,000", "growth", ours("p999", 1e-3), 20, True, " µs"),
    Target("worst add, from nothing to 1,000,000", "growth", ours("worst", 1e-6), 1, True, " ms"),
    Target("churn, 1 thread: times the host's rate", "churn/1", more(), 2),
    Target("churn, 8 threads: times the host's rate", "churn/8", more(), 5),
    Target("read-mostly, 8 threads: times the host's rate", "lookups/8", more(), 5),
    Target("worst add beside a flush of 1,000,000: the host's is so many times longer", "flush", faster("worst"), 300),
    Target("worst add beside a flush of 1,000,000", "flush", ours("worst", 1e-6), 1, True, " ms"),
    Target("add at a full cache of 20,480: times the host's rate", "full", faster(), 2),
    Target("resumed handshakes, TLS 1.2, 1 thread: times the host's rate", "handshakes/12/1", more(), 0.98),
    Target("resumed handshakes, TLS 1.3, 1 thread: times the host's rate", "handshakes/13/1", more(), 0.98),
    Target("resumed handshakes, TLS 1.2, 8 threads: times the host's rate", "handshakes/12/8", more(), 1),
    Target("resumed handshakes, TLS 1.3, 8 threads: times the host's rate", "handshakes/13/8", more(), 1),
    Target("returning clients of 4 workers, TLS 1.2, connections for each second of the processors: times the host's",
           "workers/12", more("per_cpu_second"), 3),
    Target("memory beyond the SSL_SESSION, 1,000,000 cached", "memory", ours("bytes"), 80, True, " bytes"),
]


def judge_all(results):
    return [target.judge(results) for target in TARGETS]

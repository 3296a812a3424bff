"""What sslcache is to reach, computed from the results. For looking at: nothing fails because of a clock."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`value` of a summary is [least, median, greatest]; the median has to be at least or at most the bound."""

    what: str
    measurement: str
    value: object
    bound: float
    at_most: bool = False
    unit: str = ""

    def judge(self, results):
        summary = results.get(self.measurement)
        value = self.value(summary) if summary else None
        row = {"what": self.what, "bound": ("at most " if self.at_most else "") + f"{self.bound:,g}{self.unit}",
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
    *[Target(f"add, one timeout, {cached:,} cached", f"add/uniform/{cached}", faster(), 1)
      for cached in (1_000, 20_000, 100_000, 1_000_000)],
    *[Target(f"add of what was just made, {cached:,} cached", f"hot/uniform/{cached}", faster(), bound)
      for cached, bound in ((1_000, 1), (100_000, 1), (1_000_000, 2))],
    Target("add of what was just made, mixed timeouts, 100,000 cached", "hot/mixed/100000", faster(), 10_000),
    Target("p99 of an add, 1,000,000 cached", "add/uniform/1000000", faster("p99"), 1),
    Target("p99.9 of an add, 1,000,000 cached", "add/uniform/1000000", faster("p999"), 1),
    Target("p99 of an add, from nothing to 1,000,000", "growth", faster("p99"), 1),
    Target("add of what is cached", "again", faster(), 1),
    Target("add at a full cache of 20,480", "full", faster(), 1.2),
    *[Target(f"add and remove, threads: {threads}", f"churn/{threads}", more(), bound)
      for threads, bound in ((1, 1), (2, 1.6), (8, 5))],
    Target("p99 of an add beside a flush of 1,000,000", "flush", faster("p99"), 1),
    Target("the flush itself", "flush", faster("flush_ms"), 1),
    *[Target(f"resumed handshakes, TLS 1.{tls - 10}, threads: {threads}", f"handshakes/{tls}/{threads}", more(), 1)
      for threads in (1, 8) for tls in (12, 13)],
    Target("returning clients of 4 workers, TLS 1.2", "workers/12", more("per_cpu_second"), 3),
    Target("memory beyond the SSL_SESSION, 1,000,000 cached", "memory", ours("bytes"), 64, True, " bytes"),
]


def judge_all(results):
    return [target.judge(results) for target in TARGETS]

"""What is measured, with which sizes, and how often in a round."""

from dataclasses import dataclass, field

MILLION = 1_000_000
SIZES = (1_000, 20_000, 100_000, MILLION)
THREADS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Measurement:
    """One call of the program; `repeat` times in each round, because the short ones are the noisy ones."""

    name: str
    title: str
    arguments: dict = field(hash=False)
    repeat: int = 1
    # A cache of ten million takes half a minute to fill, and libssl's own is no faster then.
    only_ours: bool = False
    gigabytes: int = 4

    @property
    def command(self):
        kind = self.arguments["measurement"]
        return [kind] + [f"{key}={value}" for key, value in self.arguments.items() if key != "measurement"]


def measurement(name, title, kind, repeat=1, only_ours=False, gigabytes=4, **arguments):
    return Measurement(name, title, {"measurement": kind, **arguments}, repeat, only_ours, gigabytes)


def number(n):
    return f"{n:,}"


def full_plan():
    """Sized for some fifty seconds a round on two cores."""
    for size in SIZES:
        small = size < MILLION
        yield measurement(
            f"add/uniform/{size}", f"add, one timeout, {number(size)} cached", "add", repeat=3 if small else 1,
            cached=size, ops=20_000 if small else 100_000)
    for size in SIZES:
        # libssl walks a list here, milliseconds for each add: what it gets through in the time is enough.
        yield measurement(
            f"add/mixed/{size}", f"add, mixed timeouts, {number(size)} cached", "add",
            cached=size, ops=10_000, mixed=1, budget_ms=1_000)
    for timeouts, mixed in (("one timeout", 0), ("mixed timeouts", 1)):
        for size in (1_000, 100_000, MILLION):
            yield measurement(
                f"hot/{'mixed' if mixed else 'uniform'}/{size}", f"add of what was just made, {timeouts}, {number(size)} cached",
                "add", cached=size, ops=10_000, mixed=mixed, hot=1, budget_ms=1_000)
    yield measurement("growth", "adds from nothing to 1,000,000", "growth", to=MILLION)
    yield measurement("full", "add at a full cache of 20,480", "add", repeat=3, cached=20_480, ops=20_000, full=1)
    yield measurement(
        "full/last", "the same, and the evicted session is freed", "add", repeat=3,
        cached=20_480, ops=20_000, full=1, last=1)
    for prefix in (4, 8):
        yield measurement(
            f"prefix/{prefix}", f"add, ids that share {prefix} bytes, 10,000 cached", "add",
            cached=10_000, ops=10_000, prefix=prefix, budget_ms=500)
    yield measurement(
        "again", "add of what is cached, 20,480 cached", "again", repeat=3, cached=20_480, ops=100_000)
    for threads in THREADS:
        yield measurement(
            f"churn/{threads}", f"add and remove, 100,000 cached, threads: {threads}", "churn",
            cached=100_000, ops=400_000, threads=threads)
    for threads in THREADS:
        yield measurement(
            f"lookups/{threads}", f"95 % look-ups, 100,000 cached, threads: {threads}", "lookups",
            cached=100_000, ops=2 * MILLION, threads=threads)
    yield measurement("machine", "a bare loop on each of two processors", "machine", ms=1_000)
    yield measurement("flush", "flush of 1,000,000 expired, adds beside it", "flush", expired=MILLION)
    for tls in (12, 13):
        for threads in (1, 2, 8):
            yield measurement(
                f"handshakes/{tls}/{threads}", f"resumed handshakes, TLS 1.{tls - 10}, threads: {threads}",
                "handshakes", repeat=2, tls=tls, threads=threads, ms=600)
    for tls in (12, 13):
        yield measurement(
            f"workers/{tls}", f"returning clients of 4 worker processes, TLS 1.{tls - 10}, ECDHE-RSA 2048", "workers",
            tls=tls, workers=4, visits=4_000)
    yield measurement("memory", "memory beyond the SSL_SESSION, 1,000,000 cached", "memory", cached=MILLION)


def ten_million():
    """Once, where there is the memory: an SSL_SESSION takes about a kilobyte."""
    return measurement(
        "add/uniform/10000000", "add, one timeout, 10,000,000 cached", "add", only_ours=True, gigabytes=16,
        cached=10 * MILLION, ops=100_000)


def smoke_plan():
    """Every measurement, a moment each: whether it works, not how fast."""
    cached = dict(cached=500, ops=800)
    yield measurement("add/uniform/1000", "add", "add", **cached)
    yield measurement("add/mixed/1000", "add, mixed", "add", mixed=1, **cached)
    yield measurement("hot/mixed/1000", "add, hot", "add", mixed=1, hot=1, **cached)
    yield measurement("growth", "growth", "growth", to=2_000)
    yield measurement("full", "full", "add", full=1, **cached)
    yield measurement("full/last", "full, freed", "add", full=1, last=1, **cached)
    yield measurement("prefix/8", "prefix", "add", prefix=8, **cached)
    yield measurement("again", "again", "again", **cached)
    yield measurement("churn/2", "churn", "churn", threads=2, cached=500, ops=2_000)
    yield measurement("lookups/2", "look-ups", "lookups", threads=2, cached=500, ops=4_000)
    yield measurement("machine", "machine", "machine", ms=5)
    yield measurement("flush", "flush", "flush", expired=2_000, adds=100_000)
    for tls in (12, 13):
        yield measurement(f"handshakes/{tls}/2", "handshakes", "handshakes", tls=tls, threads=2, cached=500, ms=20)
    for tls in (12, 13):
        yield measurement(f"workers/{tls}", "workers", "workers", tls=tls, workers=2, visits=120)
    yield measurement("memory", "memory", "memory", cached=4_000)

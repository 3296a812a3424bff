"""Four servers under sslcache, to which clients come back while everything happens to them that happens to servers.

    python3 -B tests/soak STAGE FOLDER MINUTES

nginx reloads, workers are killed and stopped, programs are started anew, the clock jumps, the file system is full, limits are low.
Once a minute it is noted what the servers occupy and how many of their clients are resumed. At the end that is compared
with bounds, and drawn in FOLDER: the exit code is 0 if all bounds were kept.

It wants nginx, Python, Ruby, libfaketime and a C compiler; and root, for a file system of its own that is full.
"""

import collections
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
WORKERS = HERE.parent / "servers" / "workers"
sys.path.insert(0, str(HERE.parent.parent / "benches" / "compare"))
import svg  # noqa: E402  make bench draws with it, too

EVENT_SECONDS = 6
PAGES = pathlib.Path("/run/sslcache")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
# Bounds: what a server occupies in the last third of the time, compared with the second third; and shares of clients.
GROWTH, SLACK_KIB, SLACK_DESCRIPTORS = 1.25, 8 * 1024, 24
RESUMED_LEAST = 0.5


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def children(pid):
    try:
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


class Server:
    """A server with its processes; started anew under the same port."""

    def __init__(self, soak, name, command, settings, preload=()):
        self.soak, self.name, self.command = soak, name, command
        self.port = free_port()
        self.folder = soak.folder / name
        self.folder.mkdir()
        self.settings, self.preload = settings, preload
        self.process = None

    def start(self):
        environment = dict(os.environ, **self.settings(self))
        environment["LD_PRELOAD"] = ":".join([str(self.soak.library), *self.preload])
        self.errors = open(self.folder / "errors", "a")
        command = [str(part) for part in self.command(self)]
        self.process = subprocess.Popen(command, env=environment, stderr=self.errors, stdout=self.errors, cwd=self.folder)

    def processes(self):
        return [self.process.pid, *children(self.process.pid)]

    def end(self):
        """Ends it, and tells how it ended where that is no good end."""
        crashed = self.process.poll()
        all_of_it = self.processes()
        for pid in all_of_it:
            self.tell(pid, signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in all_of_it:
                self.tell(pid, signal.SIGKILL)
            self.process.wait()
        self.errors.close()
        if crashed is not None:
            self.soak.fault(f"{self.name} had ended by itself, with {crashed}")

    @staticmethod
    def tell(pid, what):
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass

    def restart(self):
        self.end()
        self.start()

    def occupied(self):
        """Memory in KiB, pages that are shared being divided, and descriptors."""
        memory = descriptors = 0
        for pid in self.processes():
            try:
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                memory += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                pass  # it has just ended
        return memory, descriptors


class Soak:
    def __init__(self, stage, folder, minutes):
        self.library = stage / "lib" / "libsslcache.so.0"
        self.tool = stage / "bin" / "sslcache"
        self.folder, self.minutes = folder, minutes
        self.faults, self.undo = [], []
        self.chance = random.Random(1)
        self.certificate = folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
            + ["-keyout", folder / "key.pem", "-out", folder / "only.pem"],
            check=True, capture_output=True,
        )
        self.certificate.write_bytes((folder / "key.pem").read_bytes() + (folder / "only.pem").read_bytes())
        subprocess.run(
            ["cc", "-O1", "-o", folder / "server", HERE / "server.c", "-lssl", "-lcrypto", "-pthread"], check=True
        )
        self.clock = folder / "clock"
        self.clock.write_text("+0")
        group = {"SSLCACHE_GROUP": "certificate"}
        self.nginx = Server(
            self, "nginx", self.nginx_command,
            lambda server: {**group, "SSLCACHE_REGION": f"{server.folder}/region", "SSLCACHE_REGION_SIZE": "1M"},
        )
        self.python = Server(
            self, "python",
            lambda server: [sys.executable, WORKERS / "forking.py", self.certificate, 3, "each-connection", server.port],
            lambda server: group,
        )
        self.ruby = Server(
            self, "ruby",
            lambda server: ["ruby", WORKERS / "forking.rb", folder / "only.pem", folder / "key.pem", 3, server.port],
            lambda server: {},
        )
        self.threads = Server(
            self, "threads", lambda server: [folder / "server", self.certificate, server.port],
            lambda server: {**group, "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
                            "FAKETIME_NO_CACHE": "0"},
            preload=[FAKETIME] if pathlib.Path(FAKETIME).exists() else [],
        )
        self.servers = [self.nginx, self.python, self.ruby, self.threads]

    def nginx_command(self, server):
        configuration = server.folder / "nginx.conf"
        configuration.write_text(
            f"""daemon off; worker_processes 3; pid {server.folder}/pid; error_log {server.folder}/log;
            events {{ worker_connections 256; }}
            http {{ access_log off;
              client_body_temp_path {server.folder}/1; proxy_temp_path {server.folder}/2; fastcgi_temp_path {server.folder}/3;
              uwsgi_temp_path {server.folder}/4; scgi_temp_path {server.folder}/5;
              server {{ listen 127.0.0.1:{server.port} ssl reuseport; ssl_protocols TLSv1.2 TLSv1.3;
                ssl_certificate {self.folder}/only.pem; ssl_certificate_key {self.folder}/key.pem;
                ssl_session_tickets off; ssl_session_cache builtin:500; return 200 "hello"; }} }}
            """
        )
        return ["nginx", "-c", configuration]

    def fault(self, what):
        print(f"soak: {what}", flush=True)
        self.faults.append(what)

    # What happens to servers. Each returns what it did, and may leave something to be undone at the next event.

    def reload(self):
        self.nginx.process.send_signal(signal.SIGHUP)
        return "nginx reloads"

    def kill(self):
        workers = children(self.nginx.process.pid)
        os.kill(self.chance.choice(workers), signal.SIGKILL)
        return "a worker of nginx is killed"

    def stop(self):
        server = self.chance.choice([self.nginx, self.python, self.ruby])
        worker = self.chance.choice(children(server.process.pid))
        os.kill(worker, signal.SIGSTOP)
        self.undo.append(lambda: os.kill(worker, signal.SIGCONT))
        return f"a worker of {server.name} stops for a while"

    def start_anew(self):
        server = self.chance.choice(self.servers)
        server.restart()
        return f"{server.name} is started anew"

    def jump(self):
        self.clock.write_text(self.chance.choice(["+0", "+2h", "-1h", "+400d"]))
        return f"the clock of the threads says {self.clock.read_text()}"

    def fill(self):
        filler = PAGES / "filler"
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True)
        self.undo.append(lambda: filler.unlink(missing_ok=True))
        server = self.chance.choice([self.python, self.ruby])
        server.restart()
        return f"the file system of statistics is full, and {server.name} is started anew"

    def limit(self):
        pid, which = self.threads.process.pid, self.chance.choice(["nofile", "as"])
        low = "24" if which == "nofile" else str(1024 * (int(self.status(pid, "VmSize")) + 64))
        subprocess.run(["prlimit", f"--pid={pid}", f"--{which}={low}:"], check=True)
        restored = "1024" if which == "nofile" else "unlimited"
        self.undo.append(lambda: subprocess.run(["prlimit", f"--pid={pid}", f"--{which}={restored}:"], check=False))
        return f"the threads have a limit of {which} of {low}"

    def flush(self):
        server = self.chance.choice(self.servers)
        subprocess.run([self.tool, "flush", "--pid", str(server.process.pid)], capture_output=True, timeout=30)
        return f"{server.name} is flushed"

    @staticmethod
    def status(pid, field):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(line.split()[1] for line in lines if line.startswith(field + ":"))

    def happen(self):
        while self.undo:
            try:
                self.undo.pop()()
            except ProcessLookupError:
                pass
        event = self.chance.choice(
            [self.reload, self.kill, self.stop, self.start_anew, self.jump, self.fill, self.limit, self.flush]
        )
        try:
            return event()
        except (ProcessLookupError, IndexError, OSError) as error:
            return f"{event.__name__}: {error}"

    # What is noted.

    def trees(self):
        told = subprocess.run([self.tool, "stat", "--json"], capture_output=True, text=True, timeout=60).stdout
        return json.loads(told)["trees"] if told else []

    def note(self, seen):
        trees = self.trees()
        row = {}
        for server in self.servers:
            memory, descriptors = server.occupied()
            alive = server.processes()
            mine = [tree for tree in trees if any(process["pid"] in alive for process in tree["processes"])]
            visits = seen[str(server.port)]
            row[server.name] = {
                "memory_kib": memory,
                "descriptors": descriptors,
                "processes": len(alive),
                "seats": sum(len(tree["processes"]) for tree in mine),
                "sessions": sum(process["sessions"] for tree in mine for process in tree["processes"]),
                "region": mine[0].get("region", {}) if mine else {},
                "failures": sum(process["figures"]["failures"] for tree in mine for process in tree["processes"]),
                **{what: visits[what] for what in ("visits", "offered", "resumed", "refused", "failed")},
            }
        return row

    def run(self):
        for server in self.servers:
            server.start()
        time.sleep(2)
        ports = [str(server.port) for server in self.servers]
        lines = open(self.folder / "crowd", "w+")
        crowd = subprocess.Popen(
            [sys.executable, "-B", HERE / "crowd.py", self.folder / "only.pem", "1", *ports],
            stdout=lines, stderr=open(self.folder / "crowd.errors", "w"),
        )
        rows, read = [], 0
        end = time.monotonic() + 60 * self.minutes
        minute = time.monotonic() + 60
        try:
            while time.monotonic() < end:
                time.sleep(EVENT_SECONDS)
                what = self.happen()
                with open(self.folder / "events", "a") as events:
                    print(f"{time.strftime('%H:%M:%S')} {what}", file=events)
                if time.monotonic() >= minute:
                    minute += 60
                    told = (self.folder / "crowd").read_text().splitlines()
                    seen = collections.defaultdict(collections.Counter)
                    for line in told[read:]:
                        for port, counts in json.loads(line).items():
                            seen[port].update(counts)
                    read = len(told)
                    rows.append(self.note(seen))
                    self.print_row(len(rows), rows[-1])
        finally:
            while self.undo:
                self.undo.pop()()
            crowd.terminate()
            crowd.wait()
            for server in self.servers:
                server.end()
        return rows

    @staticmethod
    def print_row(minute, row):
        print(f"minute {minute}", flush=True)
        for name, noted in row.items():
            share = noted["resumed"] / max(noted["offered"], 1)
            print(
                f"  {name:8} {noted['memory_kib']:7} KiB {noted['descriptors']:4} descriptors {noted['processes']:2} processes"
                f" {noted['seats']:2} seats {noted['sessions']:5} sessions {noted['visits']:5} visits {share:5.2f} resumed"
                f" {noted['refused']:3} refused {noted['failed']:2} failed {noted['failures']:2} failures",
                flush=True,
            )

    def judge(self, rows):
        for server in self.servers:
            noted = [row[server.name] for row in rows]
            # While a server reloads, it has the processes of before, too.
            usual = statistics.median(row["processes"] for row in noted)
            settled = [row for row in noted if row["processes"] <= usual]
            third = len(settled) // 3
            for what, slack in (("memory_kib", SLACK_KIB), ("descriptors", SLACK_DESCRIPTORS)):
                before = max((row[what] for row in settled[third : 2 * third]), default=0)
                after = max(row[what] for row in settled[2 * third :])
                if third and after > before * GROWTH + slack:
                    self.fault(f"{server.name}: {what} has grown from {before} to {after}")
            offered, resumed = (sum(row[what] for row in noted) for what in ("offered", "resumed"))
            if resumed < RESUMED_LEAST * offered:
                self.fault(f"{server.name}: {resumed} of {offered} clients were resumed")
            failed = sum(row["failed"] for row in noted)
            if failed:
                self.fault(f"{server.name}: {failed} handshakes failed")
            # A process that has just ended may still have its seat.
            if any(row["seats"] > row["processes"] + 4 for row in noted):
                self.fault(f"{server.name}: more seats than processes")
            errors = (server.folder / "errors").read_text()
            if "panicked" in errors or "allocation of" in errors:
                self.fault(f"{server.name} printed: {errors[-500:]}")
        log = (self.nginx.folder / "log").read_text()
        crashed = [line for line in log.splitlines() if "exited on signal" in line and "signal 9" not in line]
        if crashed:
            self.fault(f"nginx: {crashed[0]}")

    def draw(self, rows):
        (self.folder / "soak.json").write_text(json.dumps(rows, indent=1))
        for what, title, unit in (
            ("memory_kib", "Memory of each server", "KiB"),
            ("descriptors", "Descriptors of each server", "descriptors"),
        ):
            self.plot(rows, what, title, unit, lambda noted, what=what: noted[what])
        self.plot(rows, "resumed", "Clients that are resumed", "of 100 that come back",
                  lambda noted: 100 * noted["resumed"] / max(noted["offered"], 1))

    def plot(self, rows, name, title, unit, value):
        paints = [(svg.colour(paint), dashed) for dashed in (False, True) for paint in ("a", "b")]
        series = [
            (server.name, paint, dashed, [(minute, [value(row[server.name])] * 3) for minute, row in enumerate(rows, 1)])
            for server, (paint, dashed) in zip(self.servers, paints)
        ]
        drawing = svg.lines(title, "while everything happens to them", series, "minutes", str, lambda v: f"{v:g} {unit}")
        (self.folder / f"{name}.svg").write_text(drawing)


def main():
    stage, folder, minutes = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), float(sys.argv[3])
    if os.environ.get("SOAK_INSIDE") is None:
        # A file system of its own for the pages of statistics: a small one, which can be filled.
        inside = ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", str(HERE), *sys.argv[1:]]
        os.environ["SOAK_INSIDE"] = "1"
        os.execvp(inside[0], inside)
    PAGES.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M,mode=0700", "soak", PAGES], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    soak = Soak(stage, folder, minutes)
    rows = soak.run()
    soak.judge(rows)
    soak.draw(rows)
    print(f"soak: {len(rows)} minutes, {len(soak.faults)} faults, drawn in {folder}")
    sys.exit(bool(soak.faults))


main()

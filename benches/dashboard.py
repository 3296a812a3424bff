"""Draws what docs/grafana-dashboard.json shows: dashboard.py STAGE FOLDER [SECONDS]. A real Prometheus scrapes `sslcache exporter`
while Debian's nginx serves clients that come back, is reloaded, and has its ticket keys turned; the dashboard's own queries are then
asked of it, and each panel is drawn. Grafana itself, which few build machines have, lays the same panels out in the same way."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "compare"))

from svg import STYLE, Axis, colour, segment, stroke, text  # noqa: E402

DASHBOARD = os.path.join(HERE, os.pardir, "docs", "grafana-dashboard.json")
# Seconds between two looks of Prometheus, and the window of its rates.
SCRAPE, WINDOW = 1, "10s"
WIDTH, HEIGHT, ACROSS = 400, 250, 3
PAINTS = ["b", "a", "c", "d", "e"]
MORE = """
svg { --d: #1a7f37; --e: #8250df; }
@media (prefers-color-scheme: dark) { svg { --d: #3fb950; --e: #a371f7; } }
text { font-size: 12px; }
.title { font-size: 14px; }
.line { stroke-width: 2; }
.area { stroke: none; opacity: .25; }
"""

NGINX = """
worker_processes 2; pid nginx.pid; error_log stderr warn; daemon off; {user}
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_timeout 0;
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
  ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_session_timeout 30s;
  server {{ listen 127.0.0.1:{ids} ssl; ssl_protocols TLSv1.2; ssl_session_cache builtin:90; ssl_session_tickets off;
           location / {{ return 200 "hello\\n"; }} }}
  server {{ listen 127.0.0.1:{tickets} ssl; ssl_protocols TLSv1.2; location / {{ return 200 "hello\\n"; }} }}
}}
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"dashboard.py: nothing listens on port {port}")


class Clients:
    """Clients of a port. Each one keeps its last session and comes back with it, but for a share that have forgotten theirs."""

    def __init__(self, port, number, forgetful):
        self.port, self.number, self.forgetful, self.sessions, self.visits = port, number, forgetful, {}, 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2

    def visit(self):
        self.visits += 1
        who = self.visits * 7919 % self.number
        session = None if self.visits % self.forgetful == 0 else self.sessions.get(who)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
                with self.context.wrap_socket(plain, session=session) as tls:
                    tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    while tls.recv(4096):
                        pass
                    self.sessions[who] = tls.session
        except OSError:
            pass  # a worker that is being replaced


def measure(stage, seconds):
    """The answers of a real Prometheus to each panel's queries, by the number of the panel."""
    tool = os.path.join(stage, "bin", "sslcache")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                       cwd=folder, check=True, stderr=subprocess.DEVNULL)
        ids, tickets, asked = free_port(), free_port(), free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(NGINX.format(ids=ids, tickets=tickets, user=user))
        running = []

        def start(*command, **more):
            running.append(subprocess.Popen(command, cwd=folder, env=environment, **more))
            return running[-1]

        try:
            nginx = start(tool, "run", "--ticket-keys=shared", "--", "nginx", "-e", "stderr", "-p", folder, "-c", "nginx.conf")
            wait_for(ids)
            exporter = start(tool, "exporter", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE, text=True)
            target = re.search(r"http://([^/]+)/", exporter.stdout.readline()).group(1)
            with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as file:
                file.write(f"scrape_configs: [{{job_name: sslcache, scrape_interval: {SCRAPE}s, "
                           f"static_configs: [{{targets: ['{target}']}}]}}]\n")
            start("prometheus", "--config.file=prometheus.yml", f"--storage.tsdb.path={folder}/data",
                  f"--web.listen-address=127.0.0.1:{asked}", "--log.level=error")
            wait_for(asked)
            began = time.time()
            drive(tool, environment, nginx, (ids, tickets), seconds)
            return ask(asked, began, time.time())
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait()


def drive(tool, environment, nginx, ports, seconds):
    """Clients come, more and then fewer; nginx is reloaded after a third of the time, and the keys turned after two."""
    ids, tickets = Clients(ports[0], 100, 9), Clients(ports[1], 50, 5)
    began, done = time.time(), set()
    while (passed := time.time() - began) < seconds:
        for word, share in (("reload", 1 / 3), ("turn", 2 / 3)):
            if passed > seconds * share and word not in done:
                done.add(word)
                if word == "reload":
                    nginx.send_signal(signal.SIGHUP)
                else:
                    subprocess.run([tool, "keys", "--rotate"], env=environment, check=True, stdout=subprocess.DEVNULL)
        ids.visit()
        tickets.visit()
        time.sleep(0.01 + 0.03 * abs(passed / seconds - 0.5))


def ask(port, begin, end):
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    for panel in panels:
        panel["series"] = []
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", WINDOW).replace("$service", "nginx.*")
            words = urllib.parse.urlencode({"query": query, "start": begin, "end": end, "step": SCRAPE})
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query_range?{words}", timeout=30) as answer:
                results = json.load(answer)["data"]["result"]
            for result in results:
                name = re.sub(r"{{(\w+)}}", lambda match, labels=result["metric"]: labels.get(match[1], ""), target["legendFormat"])
                points = [(float(at) - begin, float(value)) for at, value in result["values"] if value != "NaN"]
                if points:
                    panel["series"].append((name, points))
    return panels


def draw_panel(panel, seconds):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    mark = {"percent": "{:g} %", "s": "{:g} s"}.get(unit, "{:g}").format
    series = panel["series"]
    top = panel["fieldConfig"]["defaults"].get("max") or max([v for _, points in series for _, v in points] or [1]) or 1
    across = Axis([0, seconds], 52, WIDTH - 16, False, ticks=[seconds * part / 4 for part in range(5)])
    down = Axis([top], HEIGHT - 58, 40, False)
    body = [text(14, 24, panel["title"], "title", "start")]
    for tick in down.ticks:
        body.append(segment(52, down.at(tick), WIDTH - 16, down.at(tick), "grid"))
        body.append(text(46, down.at(tick) + 4, mark(tick), "dim", "end"))
    for tick in across.ticks:
        body.append(text(across.at(tick), HEIGHT - 40, f"{int(tick) // 60}:{int(tick) % 60:02}", "dim"))
    if not series:
        body.append(text(WIDTH / 2, HEIGHT / 2 - 10, "No data", "dim"))
    x = 52
    for number, (name, points) in enumerate(series):
        paint = colour(PAINTS[number % len(PAINTS)])
        line = [(across.at(at), down.at(value)) for at, value in points]
        body.append(stroke(line, paint, False))
        body.append(segment(x, HEIGHT - 18, x + 14, HEIGHT - 18, "line", paint))
        body.append(text(x + 19, HEIGHT - 14, name, "", "start"))
        x += 34 + 6.6 * len(name)
    return body


def draw(panels, seconds):
    rows = (len(panels) + ACROSS - 1) // ACROSS
    width, height = WIDTH * ACROSS, HEIGHT * rows
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="The dashboard">',
             f"<style>{STYLE}{MORE}</style>", f'<rect width="{width}" height="{height}" style="fill: var(--page)"/>']
    for number, panel in enumerate(panels):
        x, y = number % ACROSS * WIDTH, number // ACROSS * HEIGHT
        # An svg within clips what a g does not.
        parts.append(f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}">')
        parts.append(f'<rect x="5" y="5" width="{WIDTH - 10}" height="{HEIGHT - 10}" rx="3" class="grid" style="fill: none"/>')
        parts += draw_panel(panel, seconds)
        parts.append("</svg>")
    return "\n".join([*parts, "</svg>", ""])


def main():
    stage, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 180
    panels = measure(stage, seconds)
    for panel in panels:
        last = ", ".join(f"{name} {points[-1][1]:.4g}" for name, points in panel["series"]) or "no data"
        print(f"{panel['title']}: {last}")
    with open(os.path.join(folder, "grafana.svg"), "w", encoding="utf-8") as file:
        file.write(draw(panels, seconds))


main()

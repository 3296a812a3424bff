"""Clients that come back to servers on 127.0.0.1, most of them soon and some after long, until they are told to end.

    crowd.py CERTIFICATE SEED PORT...

Once a second a line of JSON tells, for each port, what was seen since the line before: `visits`; `offered`, of those that
brought a session along; `resumed`; `refused`, connections that could not be made or broke, as they do when a server is killed;
`failed`, handshakes that ended in an error of TLS, which no event explains.
"""

import collections
import json
import random
import signal
import socket
import ssl
import sys
import time

CLIENTS = 400
# Between the visits to all servers: it is time that is tried here, not speed.
PAUSE = 0.02
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def context(certificate, version):
    made = ssl.create_default_context(cafile=certificate)
    made.check_hostname = False
    made.minimum_version = made.maximum_version = version
    made.options |= ssl.OP_NO_TICKET if version is VERSIONS[0] else 0
    return made


class Client:
    """One that has come to a port before, or not yet."""

    def __init__(self, port, ctx):
        self.port, self.ctx, self.session = port, ctx, None

    def visit(self, seen):
        seen["visits"] += 1
        seen["offered"] += self.session is not None
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=8) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.ctx.wrap_socket(connection, session=self.session) as tls:
                    tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    while tls.recv(1000):
                        pass
                    seen["resumed"] += tls.session_reused
                    self.session = tls.session
                    try:
                        tls.unwrap()
                    except OSError:
                        pass  # the server said goodbye and closed
        except ssl.SSLError as error:
            # A server that is killed ends its connections without a word.
            ended = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) or "timed out" in str(error)
            seen["refused" if ended else "failed"] += 1
            if not ended:
                print(f"crowd: port {self.port}: {error}", file=sys.stderr, flush=True)
            self.session = None
        except OSError:
            seen["refused"] += 1
            time.sleep(0.02)


def main():
    certificate, seed, *ports = sys.argv[1:]
    chance = random.Random(int(seed))
    clients = {
        int(port): [Client(int(port), context(certificate, VERSIONS[number % 2])) for number in range(CLIENTS)]
        for port in ports
    }
    # A session belongs to the context with which it came, so each client keeps its own.
    going = True

    def end(*_):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, end)
    seen = {port: collections.Counter() for port in clients}
    told = time.monotonic()
    while going:
        for port, crowd in clients.items():
            crowd[int(CLIENTS * chance.random() ** 3)].visit(seen[port])
        time.sleep(PAUSE)
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            print(json.dumps(seen), flush=True)
            seen = {port: collections.Counter() for port in clients}


main()

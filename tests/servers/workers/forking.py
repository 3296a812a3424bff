"""A TLS server by Python's ssl module: contexts first, then a fork for each worker.

    forking.py CERTIFICATE WORKERS each-port|each-connection PORT...

Every port, or every connection, has a context of its own, all with the one certificate.
"""

import os
import select
import signal
import socket
import ssl
import sys


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(sys.argv[1])
    made.options |= ssl.OP_NO_TICKET
    return made


def door(of_port):
    return of_port if sys.argv[3] == "each-port" else context()


def work(doors):
    while True:
        for listener in select.select(list(doors), [], [])[0]:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue  # another worker was faster
            connection.settimeout(10)
            # The goodbye follows the answer at once.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with door(doors[listener]).wrap_socket(connection, server_side=True) as tls:
                tls.recv(100)
                tls.sendall(b"hello")
                tls.unwrap()


def main():
    doors = {}
    for port in sys.argv[4:]:
        listener = socket.create_server(("127.0.0.1", int(port)))
        listener.setblocking(False)
        doors[listener] = context()
    workers = []
    for _ in range(int(sys.argv[2])):
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            work(doors)
        workers.append(pid)
    signal.sigwait({signal.SIGTERM})
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
main()

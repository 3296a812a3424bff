"""A TLS server and its clients in one process, by Python's ssl module.

    session.py CERTIFICATE 1.2|1.3 tickets-off|tickets-on|context-each

Prints who was resumed, then what the server's context counts, then the process's memory map, by which
the caller sees which libraries are in it.
"""

import socket
import ssl
import sys
import threading

CLIENTS = 20
certificate, version, mode = sys.argv[1:]
protocol = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if mode != "tickets-on":
        context.options |= ssl.OP_NO_TICKET
    return context


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    context.minimum_version = context.maximum_version = protocol
    return context


def serve(listener, shared):
    for _ in range(2 * CLIENTS):
        connection, _ = listener.accept()
        connection.settimeout(10)
        context = server_context() if mode == "context-each" else shared
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(100)
            tls.sendall(b"hello")
            # Goodbye from both sides, or libssl forgets the session.
            tls.unwrap()


def visit(address, context, session):
    with socket.create_connection(address, timeout=10) as connection:
        tls = context.wrap_socket(connection, server_hostname="localhost", session=session)
        tls.sendall(b"hello")
        # The answer brings the TLS 1.3 tickets along.
        assert tls.recv(100) == b"hello"
        seen = tls.session, tls.session_reused
        tls.unwrap()
        return seen


def main():
    shared = server_context()
    context = client_context()
    # A port that the system hands out.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        server = threading.Thread(target=serve, args=(listener, shared))
        server.start()
        address = listener.getsockname()
        first = [visit(address, context, None) for _ in range(CLIENTS)]
        second = [visit(address, context, session) for session, _ in first]
        server.join(10)
    full = sum(not reused for _, reused in first)
    resumed = sum(reused for _, reused in second)
    print(f"full={full} resumed={resumed}")
    print(*(f"{name}={count}" for name, count in shared.session_stats().items()))
    with open("/proc/self/maps", encoding="utf-8") as maps:
        print(maps.read())


main()

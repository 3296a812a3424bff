#!/usr/bin/env python3
"""Computes the vectors in golden.rs anew, with Python's cryptography: a second writing of the format in seal.rs."""
import base64
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived(master, salt, info, length):
    return HKDF(hashes.SHA256(), length, salt or bytes(32), info).derive(master)


def framed(*fields):
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def name(master, kind, namespace, *fields):
    key = derived(master, b"", b"sslcache names 1", 32)
    tag = hmac.new(key, framed(namespace, kind, *fields), hashlib.sha256).digest()
    return f"sslc:1:{kind.decode()}:{base64url(tag[:24])}"


def sealed(master, kind, namespace, name, expiry, body, salt, nonce):
    identity = derived(master, b"", b"sslcache key id 1", 4)
    associated = framed(b"\x01", identity, kind, namespace, name.encode())
    key = derived(master, salt, b"sslcache seal 1", 32)
    encrypted = AESGCM(key).encrypt(nonce, struct.pack(">Q", expiry) + body, associated)
    return b"\x01" + identity + salt + nonce + encrypted


for first, kind, namespace, fields, expiry, body in (
    (0, b"k", b"web", (struct.pack(">Q", 497000),), 1789300000, bytes(range(32))),
    (100, b"k", b"", (), 2**64 - 1, b""),
    (200, b"s", "Z\u00fcrich".encode(), (b"a", b"", b"b"), 1, b"session"),
):
    master = bytes((first + index) % 256 for index in range(32))
    place = name(master, kind, namespace, *fields)
    salt = hashlib.sha256(b"salt" + master).digest()[:16]
    nonce = hashlib.sha256(b"nonce" + master).digest()[:12]
    print("line", "sslc-key-1:" + base64url(master))
    print("name", place)
    print("value", sealed(master, kind, namespace, place, expiry, body, salt, nonce).hex())

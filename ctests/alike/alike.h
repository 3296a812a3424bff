/*
 * Who may share with whom, tried: two server contexts, or connections, that differ in one attribute alone never resume
 * each other's sessions, while two equal ones do. A table of attributes, a table of ways of sharing, and every one of
 * the first is tried in every one of the second.
 */
#ifndef CTESTS_ALIKE_H
#define CTESTS_ALIKE_H

#include "common.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

/* The ways of sharing in which a variant of an attribute keeps even equals apart, and which an attribute is tried in. */
enum {
    WAY_FORK = 1,        /* one context, over a fork, which each process sets up for itself */
    WAY_GROUP = 2,       /* a group of contexts with one certificate, or a region: no name */
    WAY_NAMED = 4,       /* a group with a name */
    WAY_FORCED = 8,      /* caches of programs that have switched them off */
    WAY_TICKETS = 16,    /* shared ticket keys, without a name */
    WAY_NAMED_TICKETS = 32,
    WAY_EXTERNAL = 64,   /* an application's own callbacks that hand everything to everybody: no way of ours */
    WAY_INHERITED = 128, /* one context, which is set up before the fork */
    ONLY_WITH_NAME = WAY_GROUP | WAY_FORCED | WAY_TICKETS,
    NOT_FORKED = WAY_GROUP | WAY_NAMED | WAY_FORCED | WAY_TICKETS | WAY_NAMED_TICKETS,
    ONLY_INHERITED = NOT_FORKED | WAY_FORK,
    NOWHERE = ONLY_INHERITED | WAY_INHERITED,
    /* An address that a certificate has to have: OpenSSL 1.1.1 does not tell which one, nor which name. */
    NEEDS_AN_ADDRESS = OPENSSL_VERSION_MAJOR < 3 ? NOWHERE : 0,
    /* A name or an e-mail address: OpenSSL 4.0 does not tell how long a connection's is, either. */
    NEEDS_A_NAME = OPENSSL_VERSION_MAJOR >= 4 ? NOWHERE : NEEDS_AN_ADDRESS
};

/* Of an attribute. */
enum {
    ASKS = 1,            /* both ask the client for a certificate, and get a good one */
    ONLY_TLS12 = 2,
    ONLY_TLS13 = 4,
    LIBSSL_REFUSES = 8,  /* libssl compares it itself, no matter which cache found the session */
    SECOND_MAKES_NONE = 16, /* with the second variant the client of the test does not get in by itself */
    OF_CONNECTIONS = 32, /* differs by connection: tried within one context, too */
    OF_PROCESSES = 64,   /* differs by process: not tried within one */
    SAME = 128,          /* no difference: all are equals */
    LEARNED_BY_USE = 256, /* what a name leads to is known in a process after one full handshake */
    KNOWN_BY_PROCESS = 512, /* the second variant keeps all others of its process to themselves, too */
    NOT_HERE = 1024,     /* this version of libssl knows nothing of it */
    OVER_FORKS = 2048,   /* compared only between a process and those that have a copy of its context */
    OF_CERTIFICATES = 4096 /* no difference where certificates are not compared: its client sends a name */
};

typedef struct {
    /* The attribute as the library's table calls it, and after a slash what of it. */
    const char *name;
    unsigned flags;
    /* What a variant, 0 or 1, does to a context, to a connection of the server, and to one of the client that has made a
     * session with the variant `made` and now meets `asked`. */
    void (*context)(SSL_CTX *ctx, int variant);
    void (*connection)(SSL *server, int variant);
    void (*client)(SSL *client, int made, int asked);
    /* Makes the context, where that is what differs. */
    SSL_CTX *(*make)(int variant);
    /* Where equals of the two variants do not share either; and the reason. */
    unsigned apart[2];
    const char *why;
} Attribute;

/* Ends with an attribute without a name. */
extern const Attribute asked_attributes[], checked_attributes[], own_attributes[], secret_attributes[],
    named_attributes[], connection_attributes[];

/* The protocol of this run. */
extern int version;
/* When it began. */
extern time_t began;
/* A server context with nothing but a certificate; one that resumes by id. */
SSL_CTX *bare_server(void);
/* Trusts the first authority, and asks for a certificate. */
void ask_for_certificate(SSL_CTX *ctx);
/* A visit that leaves nothing: for what is noticed only by use. */
void visit_once(SSL_CTX *server);

/* identities.c: two authorities, and what they have issued. */
void make_identities(void);
/* Hands all of them, and the server's certificate, from one host to another: what an administrator gives to both. */
void write_identities(FILE *to);
void read_identities(FILE *from);
X509 *authority(int which);
/* A client's certificate by an authority, good for client.example, other.example, client@example.org and 127.0.0.1. */
X509 *person(int which);
EVP_PKEY *person_key(void);
/* An empty list of what the first authority has revoked. */
X509_CRL *revoked(void);
/* Self-signed certificates of a server's RSA key. */
X509 *rsa_certificate(int which);
EVP_PKEY *rsa_key(void);
/* The certificate of a server context with another serial number, and its signature as it is: equal for equal numbers. */
X509 *certificate_like(SSL_CTX *ctx, long serial);
/* A store that trusts so many authorities, from the one of this number on. */
X509_STORE *store_of(int first, int number);

#endif

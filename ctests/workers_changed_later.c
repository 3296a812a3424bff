/*
 * A session that the application changes once the handshake is done: what other workers have is the session as it was,
 * so from then on it is resumed where it was made, if at all. SSL_SESSION_set1_id_context(3),
 * SSL_SESSION_get0_hostname(3), SSL_SESSION_get0_alpn_selected(3), SSL_SESSION_set1_ticket_appdata(3),
 * SSL_SESSION_set_max_early_data(3), SSL_SESSION_set_protocol_version(3), SSL_SESSION_set1_id(3).
 */
#include "workers.h"

static int change(SSL_SESSION *session, long how)
{
    static const unsigned char bytes[32] = "logged out";
    switch (how) {
    case 0:
        return SSL_SESSION_set1_id_context(session, bytes, 10);
    case 1:
        return SSL_SESSION_set1_hostname(session, "other.example");
    case 2:
        return SSL_SESSION_set1_alpn_selected(session, bytes, 6);
    case 3:
        return SSL_SESSION_set1_ticket_appdata(session, bytes, sizeof bytes);
    case 4:
        return SSL_SESSION_set_max_early_data(session, 0);
    case 5:
        return SSL_SESSION_set_protocol_version(session, TLS1_1_VERSION);
    case 6:
        return SSL_SESSION_set_cipher(session, SSL_SESSION_get0_cipher(session));
    default:
        return SSL_SESSION_set1_master_key(session, bytes, sizeof bytes);
    }
}

int main(void)
{
    Worker a, b;
    Ticket ticket, other;
    long how;
    change_last = change;
    open_shop(TLS1_2_VERSION);
    a = worker_start();
    b = worker_start();
    other = ticket_from(&a);
    for (how = 0; how < 8; how++) {
        ticket = ticket_from(&a);
        worker_do(&a, CHANGE_LAST, how, NULL);
        printf("change %ld: elsewhere %ld\n", how, resumed_at(&b, &ticket));
    }
    divergence("workers_share_tls12", "%ld", resumed_at(&b, &other));
    worker_end(&a);
    worker_end(&b);
    close_shop();
    return 0;
}

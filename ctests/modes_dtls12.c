/*
 * DTLS 1.2, resuming by session id: every cache mode of both sides, with and without callbacks;
 * who resumed, all counters, the order and arguments of the callbacks.
 * SSL_CTX_set_session_cache_mode(3); LIBSSL.md section 1.
 */
#include "modes.h"

int main(void)
{
    run_modes(DTLS1_2_VERSION, 0);
    return 0;
}

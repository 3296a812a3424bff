/*
 * A worker flushes everything while another goes on adding sessions: none of those that were there before is resumed
 * afterwards.
 */
#include "workers.h"

#include <sys/mman.h>

enum { SESSIONS = 150, ADDED_BEFORE = 200 };

/* What the two processes tell each other. */
typedef struct {
    volatile long added;
    volatile int go, over;
} Board;

/* Adds sessions, as if by handshakes. */
static void add_many(Board *board)
{
    SSL_SESSION *like = visit_quietly(client, server, NULL, NULL);
    while (!board->go)
        usleep(100);
    while (!board->over) {
        unsigned char id[32] = { 1 };
        long number = board->added + 1;
        SSL_SESSION *session = SSL_SESSION_dup(like);
        memcpy(id + 8, &number, sizeof number);
        NEED(session != NULL && SSL_SESSION_set1_id(session, id, sizeof id));
        SSL_CTX_add_session(server, session);
        SSL_SESSION_free(session);
        board->added = number;
    }
    SSL_SESSION_free(like);
}

int main(void)
{
    static SSL_SESSION *old[SESSIONS];
    Board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int i, reused, left = 0, status;
    pid_t other;
    NEED(board != MAP_FAILED);
    alarm(60);
    open_shop(TLS1_3_VERSION);
    SSL_CTX_sess_set_new_cb(server, NULL);
    other = fork();
    NEED(other >= 0);
    if (other == 0) {
        alarm(60);
        add_many(board);
        close_shop();
        _exit(0);
    }
    /* Clients that have come back once. */
    for (i = 0; i < SESSIONS; i++) {
        SSL_SESSION *first = visit_quietly(client, server, NULL, NULL);
        old[i] = visit_quietly(client, server, first, &reused);
        NEED(reused);
        SSL_SESSION_free(first);
    }
    board->go = 1;
    while (board->added < ADDED_BEFORE)
        usleep(50);
    SSL_CTX_flush_sessions(server, 0);
    board->over = 1;
    NEED(waitpid(other, &status, 0) == other && status == 0);
    for (i = 0; i < SESSIONS; i++) {
        SSL_SESSION_free(visit_quietly(client, server, old[i], &reused));
        left += reused;
        SSL_SESSION_free(old[i]);
    }
    printf("left of before: %d\n", left);
    close_shop();
    return 0;
}

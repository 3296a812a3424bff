/* Preloaded into a server that can only listen on every address: it listens on 127.0.0.1. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in inet;

    if (address->sa_family == AF_INET && length == sizeof inet) {
        inet = *(const struct sockaddr_in *)address;
        if (inet.sin_addr.s_addr == htonl(INADDR_ANY))
            inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address = (const struct sockaddr *)&inet;
    }
    return (int)syscall(SYS_bind, fd, address, length);
}

// SPDX-License-Identifier: MIT
// Preloaded into a program, has its TCP sockets send at once (TCP_NODELAY), the accepted ones too,
// which inherit it: what a program would be without the delay that it did not ask to be rid of.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int socket(int domain, int type, int protocol) noexcept {
    const auto fd = static_cast<int>(::syscall(SYS_socket, domain, type, protocol));
    if (fd >= 0 && domain != AF_UNIX) {
        const int on = 1;
        ::setsockopt(fd, SOL_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

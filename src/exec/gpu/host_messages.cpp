// SPDX-License-Identifier: MIT
#include "exec/gpu/host_messages.hpp"

#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/os_error.hpp"

namespace repartir::gpu {
namespace {

Error gone(const std::string& how) {
    return Error(Domain::gpu, Code::io_error, Fault::node,
                 "the process that hosts the GPU is gone: " + how);
}

constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(int));

}  // namespace

ErrorMessage message_of(const Error& error) {
    return {error.code(), error.fault(), error.describe()};
}

Error error_of(const ErrorMessage& message) {
    return Error(Domain::gpu, message.code, message.fault, message.sentence);
}

Result<bool> send_packet(int socket, HostVerb verb, std::string_view body, int fd) {
    auto first = static_cast<char>(verb);
    std::array<iovec, 2> parts{iovec{&first, 1},
                               // SAFETY: sendmsg does not write to what it sends.
                               iovec{const_cast<char*>(body.data()), body.size()}};
    alignas(cmsghdr) std::array<char, control_bytes> control{};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    if (fd >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    for (;;) {
        if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            return true;
        }
        if (errno == EAGAIN || errno == ENOBUFS) {
            return false;
        }
        if (errno == EMSGSIZE) {
            return fail(Error(Domain::gpu, Code::too_large, Fault::user,
                              "a message of " + std::to_string(body.size()) +
                                  " bytes is too long for the process that hosts the GPU"));
        }
        if (errno != EINTR) {
            return fail(gone(std::string(base::words_of(errno))));
        }
    }
}

Result<std::optional<HostPacket>> receive_packet(int socket, std::string& buffer) {
    buffer.resize(host_message_bytes_max);
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, control_bytes> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = -1;
    do {
        got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        return std::nullopt;
    }
    if (got <= 0) {
        return fail(gone(got == 0 ? "it closed its socket" : std::string(base::words_of(errno))));
    }
    HostPacket packet;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
            header->cmsg_len == CMSG_LEN(sizeof(int))) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
            packet.fd = base::Fd(fd);
        }
    }
    if ((message.msg_flags & MSG_TRUNC) != 0 ||
        static_cast<unsigned char>(buffer[0]) > static_cast<unsigned>(HostVerb::ended)) {
        return fail(Error(Domain::gpu, Code::malformed, Fault::node,
                          "a message between a pool and the process that hosts its GPU is"
                          " malformed"));
    }
    packet.verb = static_cast<HostVerb>(buffer[0]);
    packet.body.assign(buffer, 1, static_cast<std::size_t>(got) - 1);
    return packet;
}

}  // namespace repartir::gpu

// SPDX-License-Identifier: MIT
#include "net/plain_stream.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/os_error.hpp"

namespace repartir::net {
namespace {

class PlainStream : public Stream {
  public:
    PlainStream(int fd, std::string address) : fd_(fd) {
        peer_.roles = all_roles;
        peer_.address = std::move(address);
    }
    Result<Wait> handshake() override { return Wait::none; }
    Result<Transfer> read(std::span<char> into) override;
    Result<Transfer> write(std::string_view bytes) override;
    void finish() noexcept override { ::shutdown(fd_, SHUT_WR); }

  protected:
    int fd_;
};

Result<Transfer> PlainStream::read(std::span<char> into) {
    while (true) {
        const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
        if (got > 0) {
            const auto bytes = static_cast<std::size_t>(got);
            return Transfer{bytes, bytes < into.size() ? Wait::readable : Wait::none};
        }
        if (got == 0) {
            return Transfer{0, Wait::ended};
        }
        if (errno == EAGAIN) {
            return Transfer{0, Wait::readable};
        }
        if (errno != EINTR) {
            return fail(socket_error("the connection with " + peer_.address + " broke", errno));
        }
    }
}

Result<Transfer> PlainStream::write(std::string_view bytes) {
    while (true) {
        const ssize_t went = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (went >= 0) {
            const auto sent = static_cast<std::size_t>(went);
            return Transfer{sent, sent == bytes.size() ? Wait::none : Wait::writable};
        }
        if (errno == EAGAIN) {
            return Transfer{0, Wait::writable};
        }
        if (errno != EINTR) {
            return fail(socket_error("the connection with " + peer_.address + " broke", errno));
        }
    }
}

/// @return the groups of a user, its own included; nothing when it is not known here.
std::optional<std::vector<gid_t>> groups_of(uid_t user, gid_t group) {
    std::array<char, 16'384> text{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(user, &entry, text.data(), text.size(), &found) != 0 || found == nullptr) {
        return std::nullopt;
    }
    int count = 256;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(entry.pw_name, group, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        ::getgrouplist(entry.pw_name, group, groups.data(), &count);
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

class LocalStream final : public PlainStream {
  public:
    LocalStream(int fd, std::string address, LocalAccess access)
        : PlainStream(fd, std::move(address)), access_(std::move(access)) {}
    Result<Wait> handshake() override;

  private:
    [[nodiscard]] bool may_enter(const ucred& who) const;

    LocalAccess access_;
};

bool LocalStream::may_enter(const ucred& who) const {
    if (who.uid == ::geteuid() || who.uid == 0) {
        return true;
    }
    const auto listed = [this](gid_t group) {
        return std::ranges::find(access_.groups, group) != access_.groups.end();
    };
    if (access_.groups.empty() || listed(who.gid)) {
        return !access_.groups.empty();
    }
    const std::optional<std::vector<gid_t>> groups = groups_of(who.uid, who.gid);
    return groups && std::ranges::any_of(*groups, listed);
}

Result<Wait> LocalStream::handshake() {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
        return fail(socket_error("the kernel does not say who is at " + peer_.address, errno));
    }
    peer_.name = "user " + std::to_string(who.uid);
    if (!may_enter(who)) {
        return fail(Error(Domain::net, Code::permission_denied, Fault::policy,
                          peer_.name + " (process " + std::to_string(who.pid) + ") at " +
                              peer_.address +
                              " is neither the user of this program nor in a group that is let "
                              "in: run both as one user, or list a group"));
    }
    return Wait::none;
}

}  // namespace

std::unique_ptr<Stream> plain_stream(int fd, std::string address) {
    return std::make_unique<PlainStream>(fd, std::move(address));
}

std::unique_ptr<Stream> local_stream(int fd, std::string address, LocalAccess access) {
    return std::make_unique<LocalStream>(fd, std::move(address), std::move(access));
}

Error socket_error(std::string_view what, int os_error) {
    return Error(Domain::net, Code::unreachable, Fault::node,
                 std::string(what) + ": " + std::string(base::words_of(os_error)));
}

}  // namespace repartir::net

// SPDX-License-Identifier: MIT
#include "exec/gpu/serve.hpp"

#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "exec/gpu/host_messages.hpp"
#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/local_host.hpp"
#include "repartir/codec.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;

constexpr base::BootTime spin_time = 200us;  ///< for the next message, after the last one
constexpr int idle_ms = 1000;

/// Runs what comes over the socket.
class Server final : public HostSink, public Awaited {
  public:
    explicit Server(int socket) : socket_(socket) {}
    [[nodiscard]] Result<void> open();
    [[nodiscard]] int serve();
    void ended(std::uint64_t id, Ended&& how) noexcept override;
    [[nodiscard]] bool there() const noexcept override;

  private:
    [[nodiscard]] Result<void> take(HostPacket&& packet);
    [[nodiscard]] Result<void> take(const KernelMessage& message, const base::Fd& memory);
    [[nodiscard]] Result<void> take(const BufferMessage& message, base::Fd memory);
    [[nodiscard]] Result<void> take(WorkMessage&& message);
    [[nodiscard]] Result<BufferArgument> argument_of(OperandMessage&& operand) const;
    void tell(HostVerb verb, const std::string& body) noexcept;
    void wait_for_message();

    const int socket_;
    std::unique_ptr<LocalHost> host_;
    std::unordered_map<std::uint64_t, KernelPtr> kernels_;
    std::unordered_map<std::uint64_t, SharedBuffer> buffers_;
    std::mutex sending_;
    std::atomic<bool> broken_{false};
    std::atomic<bool> device_failed_{false};
};

std::unexpected<Error> malformed(const char* what) {
    return fail(Error(Domain::gpu, Code::malformed, Fault::node,
                      std::string("a message to the process that hosts a GPU ") + what));
}

Result<void> Server::open() {
    pollfd ready_to_read{.fd = socket_, .events = POLLIN, .revents = 0};
    ::poll(&ready_to_read, 1, idle_ms * 10);
    std::string buffer;
    Result<std::optional<HostPacket>> packet = receive_packet(socket_, buffer);
    if (!packet || !*packet || (*packet)->verb != HostVerb::open) {
        return malformed("did not begin as it should");
    }
    const auto message = codec::decode<OpenMessage>((*packet)->body);
    if (!message) {
        return fail(message.error());
    }
    LocalHostOptions options;
    options.device = message->device;
    options.discovery.allow_cpu = message->allow_cpu;
    options.dispatch_time_max = message->dispatch_time_max;
    options.cache_folder = message->cache_folder;
    ReadyMessage ready;
    Result<std::unique_ptr<LocalHost>> host = LocalHost::open(options, *this);
    if (host) {
        host_ = *std::move(host);
        ready.info = host_->info();
        ready.features = host_->features().bits();
    } else {
        ready.refusal = message_of(host.error());
    }
    tell(HostVerb::ready, codec::encode(ready));
    return host_ ? Result<void>() : fail(host.error());
}

void Server::tell(HostVerb verb, const std::string& body) noexcept {
    const std::lock_guard lock(sending_);
    while (!broken_) {
        const Result<bool> sent = send_packet(socket_, verb, body);
        broken_ = !sent;
        if (sent && *sent) {
            return;
        }
        pollfd ready{.fd = socket_, .events = POLLOUT, .revents = 0};
        ::poll(&ready, 1, idle_ms);
    }
}

bool Server::there() const noexcept {
    char first = 0;
    const ssize_t got = ::recv(socket_, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

int Server::serve() {
    std::string buffer;
    while (!broken_ && !device_failed_) {
        Result<std::optional<HostPacket>> packet = receive_packet(socket_, buffer);
        if (!packet) {
            return 0;  // the pool is gone, or wants this one to go
        }
        if (!*packet) {
            host_->help(*this);
            wait_for_message();
            continue;
        }
        if (Result<void> taken = take(**std::move(packet)); !taken) {
            return 1;
        }
    }
    return 0;
}

void Server::wait_for_message() {
    const base::BootTime end = base::now() + spin_time;
    while (base::now() < end) {
        if (there()) {
            return;
        }
        std::this_thread::yield();  // the driver's own threads may want this core
    }
    pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, idle_ms);
}

Result<void> Server::take(HostPacket&& packet) {
    switch (packet.verb) {
        case HostVerb::kernel:
            if (const auto message = codec::decode<KernelMessage>(packet.body)) {
                return take(*message, packet.fd);
            }
            break;
        case HostVerb::buffer:
            if (const auto message = codec::decode<BufferMessage>(packet.body)) {
                return take(*message, std::move(packet.fd));
            }
            break;
        case HostVerb::work:
            if (auto message = codec::decode<WorkMessage>(packet.body)) {
                return take(*std::move(message));
            }
            break;
        case HostVerb::withdraw:
            if (const auto message = codec::decode<WithdrawMessage>(packet.body)) {
                if (host_->withdraw(message->id)) {
                    EndedMessage ended;
                    ended.id = message->id;
                    ended.withdrawn = true;
                    tell(HostVerb::ended, codec::encode(ended));
                }
                return {};
            }
            break;
        case HostVerb::open:
        case HostVerb::ready:
        case HostVerb::ended:
            break;
    }
    return malformed("is not what it should be");
}

Result<void> Server::take(const KernelMessage& message, const base::Fd& memory) {
    if (message.gone) {
        kernels_.erase(message.id);
        return {};
    }
    Result<SharedBuffer> words = SharedBuffer::of_descriptor(memory.get());
    if (!words) {
        return fail(words.error());
    }
    if (message.words > words->size() / sizeof(std::uint32_t)) {
        return malformed("has too little SPIR-V");
    }
    auto kernel = std::make_shared<Compiled>();
    // SAFETY: words may be made of bytes, and pages are aligned.
    const auto* const first = reinterpret_cast<const std::uint32_t*>(words->bytes().data());
    kernel->words.assign(first, first + message.words);
    Result<Interface> interface = inspect(kernel->words, message.entry);
    if (!interface) {
        return fail(interface.error());  // the pool has looked at the same words
    }
    kernel->interface = *std::move(interface);
    kernels_[message.id] = std::move(kernel);
    return {};
}

Result<void> Server::take(const BufferMessage& message, base::Fd memory) {
    if (message.gone) {
        buffers_.erase(message.id);
        return {};
    }
    Result<SharedBuffer> buffer = SharedBuffer::of_descriptor(memory.get());
    if (!buffer) {
        return fail(buffer.error());
    }
    buffers_.insert_or_assign(message.id, *std::move(buffer));
    return {};
}

Result<BufferArgument> Server::argument_of(OperandMessage&& operand) const {
    BufferArgument argument;
    argument.use = operand.use;
    argument.bytes = operand.bytes;
    if (operand.buffer == 0) {
        if (operand.bytes > inline_bytes_max ||
            (operand.use != BufferUse::out && operand.inline_bytes.size() != operand.bytes)) {
            return malformed("has a buffer of another size than it says");
        }
        argument.from = Bytes::copy_of(std::as_bytes(std::span(operand.inline_bytes)));
        return argument;
    }
    const auto found = buffers_.find(operand.buffer);
    if (found == buffers_.end() || found->second.size() != operand.bytes) {
        return malformed("names memory that is not there");
    }
    if (operand.use != BufferUse::out) {
        argument.from = Bytes(found->second);
    }
    if (operand.use != BufferUse::in) {
        argument.into = found->second;
    }
    return argument;
}

Result<void> Server::take(WorkMessage&& message) {
    const auto kernel = kernels_.find(message.kernel);
    if (kernel == kernels_.end() ||
        message.operands.size() != kernel->second->interface.bindings.size()) {
        return malformed("names a shader that is not there");
    }
    Work work;
    work.id = message.id;
    work.priority = message.priority;
    work.kernel = kernel->second;
    work.workgroups = message.workgroups;
    const auto push = std::as_bytes(std::span(message.push));
    work.push.assign(push.begin(), push.end());
    for (OperandMessage& operand : message.operands) {
        Result<BufferArgument> argument = argument_of(std::move(operand));
        if (!argument) {
            return fail(argument.error());
        }
        work.buffers.push_back(*std::move(argument));
    }
    host_->start(std::move(work));
    return {};
}

void Server::ended(std::uint64_t id, Ended&& how) noexcept {
    EndedMessage message;
    message.id = id;
    message.how = how.how;
    if (how.error) {
        message.error = message_of(*how.error);
    }
    for (const Bytes& bytes : how.buffers) {
        if (bytes.shared() == nullptr) {
            // SAFETY: any object may be read as characters.
            message.buffers.emplace_back(reinterpret_cast<const char*>(bytes.view().data()),
                                         bytes.size());
        }
    }
    tell(HostVerb::ended, codec::encode(message));
    if (how.how == Ended::How::hung || how.how == Ended::How::lost) {
        device_failed_ = true;
    }
}

}  // namespace

int serve_gpu() noexcept {
    try {
        ::fcntl(host_descriptor, F_SETFD, FD_CLOEXEC);  // not for what a driver may start
        Server server(host_descriptor);
        return server.open() ? server.serve() : 0;
    } catch (const std::exception&) {
        return 1;  // the pool sees that this process has ended
    }
}

}  // namespace repartir::gpu

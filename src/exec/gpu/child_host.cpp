// SPDX-License-Identifier: MIT
#include "exec/gpu/child_host.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/in_words.hpp"
#include "base/os_error.hpp"
#include "exec/gpu/serve.hpp"
#include "repartir/codec.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t failures_max = 3;
constexpr base::BootTime spin_time = 100us;  ///< for an answer, before a blocking wait
constexpr std::chrono::nanoseconds nap = 1ms;
constexpr int look_ms = 5;
constexpr base::BootTime rest_after = 1s;  ///< without work
constexpr int check_ms = 1000;  ///< between two looks at a child that works and says nothing
constexpr std::chrono::milliseconds end_patience = 15s;  // an H100 with a hung kernel takes 6

Error driver_failed(const std::string& sentence) {
    return Error(Domain::gpu, Code::driver_failed, Fault::node, sentence);
}

Error shut_down_error() {
    return Error(Domain::gpu, Code::shut_down, Fault::user, "the GPU was shut down");
}

/// Waits for a descriptor. @return whether something happened there
bool wait_for(int fd, std::chrono::milliseconds limit) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, static_cast<int>(limit.count())) > 0;
}

}  // namespace

Result<std::unique_ptr<ChildHost>> ChildHost::open(ChildHostOptions options, HostSink& sink) {
    std::unique_ptr<ChildHost> host(new ChildHost(std::move(options), sink));
    if (Result<void> begun = host->begin(); !begun) {
        return fail(begun.error());
    }
    return host;
}

Result<void> ChildHost::begin() {
    if (Result<void> waits = proc::check_sigchld(); !waits) {
        return fail(waits.error());
    }
    Result<std::unique_ptr<proc::Spawner>> spawner = proc::Spawner::create();
    if (!spawner) {
        return fail(spawner.error());
    }
    spawner_ = *std::move(spawner);
    bell_ = base::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!bell_) {
        return fail(base::os_error(Domain::gpu, "no event counter can be made", errno));
    }
    Result<std::unique_ptr<Child>> child = start_child();
    if (!child) {
        return fail(child.error());
    }
    child_ = *std::move(child);
    thread_ = std::thread([this] { look_after(); });
    return {};
}

ChildHost::~ChildHost() { close(); }

Result<std::unique_ptr<ChildHost::Child>> ChildHost::start_child() {
    std::array<int, 2> pair{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        return fail(
            base::os_error(Domain::gpu, "no socket for a GPU's process can be made", errno));
    }
    auto child = std::make_unique<Child>();
    child->socket = base::Fd(pair[0]);
    base::Fd theirs(pair[1]);
    constexpr int room = 1 << 20;  // the kernel gives what it allows
    for (const int end : pair) {
        ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    }
    std::vector<const char*> arguments;
    for (const std::string& argument : options_.arguments) {
        arguments.push_back(argument.c_str());
    }
    arguments.push_back(nullptr);
    const proc::FdMapping socket{.child = host_descriptor, .parent = theirs.get()};
    proc::SpawnPlan plan;
    plan.program = options_.program.c_str();
    plan.argv = arguments.data();
    plan.envp = environ;
    plan.out = STDERR_FILENO;  // what drivers print is no part of an answer of ours
    plan.err = STDERR_FILENO;
    plan.extra_fds = {&socket, 1};
    plan.group = proc::Group::session;
    Result<proc::Spawned> spawned = spawner_->spawn(plan);
    if (!spawned) {
        return fail(spawned.error());
    }
    child->process = *std::move(spawned);
    theirs.reset();  // so that its end is the end of the socket
    static_cast<void>(
        send_packet(child->socket.get(), HostVerb::open, codec::encode(options_.open)));
    Result<ReadyMessage> ready = first_word(*child);
    if (!ready || ready->refusal) {
        const std::string how = end_child(*child);
        return fail(ready ? error_of(*ready->refusal)
                          : driver_failed("the process that hosts the GPU did not begin: " + how));
    }
    if (children_ == 0) {  // afterwards they are read by others, and stay
        info_ = std::move(ready->info);
        features_ = Features::of_bits(ready->features);
    } else if (ready->info.uuid != info_.uuid || ready->info.name != info_.name) {
        static_cast<void>(end_child(*child));
        return fail(driver_failed("the GPU is not there any more, and there is " +
                                  ready->info.name + " in its place"));
    }
    ++children_;
    return child;
}

bool ChildHost::closed() {
    const Lock lock(mutex_);
    return closed_;
}

Result<ReadyMessage> ChildHost::first_word(const Child& child) {
    const base::BootTime end = base::later(base::now(), options_.start_time_max);
    while (!wait_for(child.socket.get(), 100ms)) {
        if (base::now() > end || closed()) {
            return fail(driver_failed("it was silent"));
        }
    }
    std::string buffer;
    Result<std::optional<HostPacket>> packet = receive_packet(child.socket.get(), buffer);
    if (!packet || !*packet || (*packet)->verb != HostVerb::ready) {
        return fail(driver_failed("it ended"));
    }
    return codec::decode<ReadyMessage>((*packet)->body);
}

std::string ChildHost::end_child(Child& child) {
    constexpr std::chrono::milliseconds own_end = 20ms;  // of one that crashes just now
    static_cast<void>(wait_for(child.process.pidfd.get(), own_end));
    ::kill(-child.process.pid, SIGKILL);  // its group is its own until it is waited for
    siginfo_t how{};
    if (!wait_for(child.process.pidfd.get(), end_patience)) {
        return "it is stuck in the kernel";
    }
    while (::waitid(P_PID, static_cast<id_t>(child.process.pid), &how, WEXITED) != 0 &&
           errno == EINTR) {}
    if (how.si_code == CLD_EXITED) {
        return "it exited with " + std::to_string(how.si_status);
    }
    const char* name = ::sigabbrev_np(how.si_status);
    return "signal " + std::to_string(how.si_status) +
           (name == nullptr ? "" : ", SIG" + std::string(name));
}

void ChildHost::start(Work work) {
    Lock lock(mutex_);
    const std::uint64_t id = work.id;
    if (closed_ || lost_) {
        ended_.emplace_back(
            id, Ended{.how = Ended::How::not_begun, .error = lost_.value_or(shut_down_error())});
        deliver(lock);
        return;
    }
    running_[id].work = std::move(work);
    waiting_.push_back(id);
    send_waiting();
    deliver(lock);
}

bool ChildHost::withdraw(std::uint64_t id) {
    const Lock lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end()) {
        return false;
    }
    if (found->second.sent) {
        if (!child_) {
            return false;
        }
        static_cast<void>(send_packet(child_->socket.get(), HostVerb::withdraw,
                                      codec::encode(WithdrawMessage{id})));
        return false;  // it may have begun
    }
    std::erase(waiting_, id);
    suspects_ -= found->second.suspect ? 1 : 0;
    running_.erase(found);
    return true;
}

void ChildHost::receive() {
    while (child_) {
        Result<std::optional<HostPacket>> packet = receive_packet(child_->socket.get(), buffer_);
        if (packet && !*packet) {
            break;
        }
        std::optional<EndedMessage> message;
        if (packet && (*packet)->verb == HostVerb::ended) {
            if (Result<EndedMessage> decoded = codec::decode<EndedMessage>((*packet)->body)) {
                message = *std::move(decoded);
            }
        }
        if (!message) {
            end_of_child(Ended::How::lost);
            break;
        }
        heard_ = base::now();
        take(*std::move(message));
    }
    send_waiting();
}

void ChildHost::take(EndedMessage&& message) {
    const auto found = running_.find(message.id);
    if (found == running_.end() || !found->second.sent) {
        return;
    }
    Ended ended;
    ended.how = message.how;
    if (message.error) {
        ended.error = error_of(*message.error);
    }
    const bool device_failed = ended.how == Ended::How::hung || ended.how == Ended::How::lost;
    if (ended.how == Ended::How::not_begun && !message.withdrawn) {
        again(message.id, found->second, false);
        return;
    }
    if (device_failed && !failed_alone_) {
        failed_alone_ = sent_ == 1;
    }
    if (device_failed && !*failed_alone_) {
        again(message.id, found->second, true);  // which of them it was, nobody knows
        return;
    }
    if (ended.how == Ended::How::done && !message.withdrawn) {
        failures_ = 0;
        auto text = message.buffers.begin();
        for (Bytes& bytes : found->second.out) {
            if (bytes.shared() == nullptr && text != message.buffers.end()) {
                bytes = Bytes::copy_of(std::as_bytes(std::span(*text++)));
            }
        }
        ended.buffers = std::move(found->second.out);
    }
    finish(found, std::move(ended));
}

void ChildHost::finish(std::unordered_map<std::uint64_t, Running>::iterator running, Ended&& how) {
    sent_ -= running->second.sent ? 1 : 0;
    suspects_ -= running->second.suspect ? 1 : 0;
    ended_.emplace_back(running->first, std::move(how));
    running_.erase(running);
}

void ChildHost::again(std::uint64_t id, Running& running, bool suspect) {
    sent_ -= running.sent ? 1 : 0;
    running.sent = false;
    if (suspect && !running.suspect) {
        running.suspect = true;
        ++suspects_;
    }
    if (running.suspect) {
        waiting_.push_front(id);
    } else {
        waiting_.push_back(id);
    }
}

void ChildHost::end_of_child(Ended::How as, std::string why) {
    ::shutdown(child_->socket.get(), SHUT_RDWR);  // wakes the thread
    dying_ = {std::move(child_), as, std::move(why)};
    no_room_ = false;
    asleep_ = false;
    wake_.notify_one();
}

void ChildHost::bury(Lock& lock) {
    const Dying dying = std::move(*dying_);
    dying_.reset();
    lock.unlock();
    const std::string how = end_child(*dying.child);
    lock.lock();
    child_failed(dying.why + how, dying.as);
    deliver(lock);
    lock.lock();
}

void ChildHost::child_failed(const std::string& how, Ended::How as) {
    ++failures_;
    const bool alone = !failed_alone_ && sent_ == 1;  // else it is told who was there
    failed_alone_.reset();
    std::vector<std::uint64_t> there;
    for (const auto& [id, running] : running_) {
        if (running.sent) {
            there.push_back(id);
        }
    }
    for (const std::uint64_t id : there) {
        const auto found = running_.find(id);
        if (alone) {
            failures_ = 0;  // the task's, not the child's
            finish(found, {.how = as,
                           .error = driver_failed(
                               "the process that hosts the GPU ended while it ran this task (" +
                               how + "): see that its shader stays inside its buffers")});
        } else {
            again(id, found->second, true);
        }
    }
}

void ChildHost::deliver(Lock& lock) noexcept {
    std::vector<std::pair<std::uint64_t, Ended>> ended = std::exchange(ended_, {});
    lock.unlock();
    for (auto& [id, how] : ended) {
        sink_.ended(id, std::move(how));
    }
}

void ChildHost::help(const Awaited& until) {
    ++helpers_;
    base::BootTime begin = base::now();
    while (!until.there()) {
        Lock lock(mutex_);
        receive();
        const bool any = !ended_.empty();
        const int socket = child_ ? child_->socket.get() : -1;
        const bool idle = sent_ == 0;
        deliver(lock);
        if (idle || socket < 0) {
            break;  // it waits for something else: the next child, say
        }
        if (any) {
            begin = base::now();
        } else if (base::now() - begin > spin_time) {
            pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
            ::poll(&ready, 1, look_ms);
        } else {
            std::this_thread::yield();  // the child may want this core
        }
    }
    --helpers_;
}

void ChildHost::look_after() {
    Lock lock(mutex_);
    while (!closed_) {
        if (dying_) {
            bury(lock);
            continue;
        }
        if (!child_) {
            replace_child(lock);
            continue;
        }
        if (helpers_ != 0) {
            wake_.wait_for(lock, nap);
            continue;
        }
        const int socket = child_->socket.get();
        const bool idle = sent_ == 0 && !no_room_ && !failed_alone_;
        asleep_ = idle && base::now() - heard_ > rest_after;
        const int limit_ms = no_room_ ? look_ms : asleep_ ? -1 : check_ms;
        lock.unlock();
        std::array<pollfd, 2> ready{pollfd{.fd = socket, .events = POLLIN, .revents = 0},
                                    pollfd{.fd = bell_.get(), .events = POLLIN, .revents = 0}};
        ::poll(ready.data(), ready.size(), limit_ms);
        lock.lock();
        eventfd_t rung = 0;
        static_cast<void>(::eventfd_read(bell_.get(), &rung));
        if (helpers_ == 0) {
            receive();
            end_if_silent();
            deliver(lock);
            lock.lock();
        }
    }
}

void ChildHost::end_if_silent() {
    const base::BootTime silent = base::now() - heard_;
    constexpr base::BootTime farewell = 1s;  // of a child that has said that it ends
    const base::BootTime most = failed_alone_ ? farewell : options_.silence_max;
    if (child_ && (sent_ != 0 || no_room_ || failed_alone_) && silent > most) {
        end_of_child(Ended::How::hung,
                     "it was silent for " + base::in_words(options_.silence_max) + "; ");
    }
}

void ChildHost::replace_child(Lock& lock) {
    if (lost_) {
        wake_.wait(lock, [&] { return closed_; });
        return;
    }
    if (failures_ >= failures_max) {
        give_up(driver_failed("the process that hosts the GPU ended again and again"));
        deliver(lock);
        lock.lock();
        return;
    }
    lock.unlock();
    Result<std::unique_ptr<Child>> child = start_child();
    lock.lock();
    if (child) {
        child_ = *std::move(child);
        send_waiting();
    } else {
        give_up(child.error());
    }
    deliver(lock);
    lock.lock();
}

void ChildHost::give_up(const Error& error) {
    lost_ = error;
    for (auto& [id, running] : running_) {
        ended_.emplace_back(id, Ended{.how = Ended::How::not_begun, .error = error});
    }
    running_.clear();
    waiting_.clear();
    sent_ = suspects_ = 0;
}

void ChildHost::close() {
    {
        const Lock lock(mutex_);
        closed_ = true;
        if (child_) {
            ::shutdown(child_->socket.get(), SHUT_RDWR);  // wakes the thread, and ends the child
        }
        wake_.notify_one();
    }
    if (!thread_.joinable()) {
        return;
    }
    thread_.join();
    Lock lock(mutex_);
    const std::unique_ptr<Child> last = dying_ ? std::move(dying_->child) : std::move(child_);
    dying_.reset();
    lock.unlock();
    if (last) {
        static_cast<void>(end_child(*last));
    }
    lock.lock();
    give_up(shut_down_error());
    deliver(lock);
}

int ChildHost::child_pid() {
    const Lock lock(mutex_);
    return child_ ? child_->process.pid : 0;
}

std::uint32_t ChildHost::children() {
    const Lock lock(mutex_);
    return children_;
}

}  // namespace repartir::gpu

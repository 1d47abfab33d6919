// SPDX-License-Identifier: MIT
#pragma once
/// @file child_host.hpp Runs a device's jobs in a process of their own.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.hpp"
#include "exec/gpu/host.hpp"
#include "exec/gpu/host_messages.hpp"
#include "proc/spawn.hpp"

namespace repartir::gpu {

/// What the child has to run, and what is expected of it.
struct ChildHostOptions {
    std::string program;                 ///< a path; what it runs is to call serve_gpu()
    std::vector<std::string> arguments;  ///< its name first
    OpenMessage open;
    std::chrono::milliseconds start_time_max{30'000};
    std::chrono::milliseconds silence_max{65'000};  ///< of a child that has work
    std::size_t kernels_max = 256;                  ///< that a child remembers, at least 1
};

/// The device belongs to a child process (serve.hpp). A driver that crashes, a device that is lost
/// and a kernel that does not end cost that child, which is replaced, and the task that did it: of
/// several that were there, each runs again alone, and the one that does it again was it.
///
/// Buffers of more than a few KiB are memory that both map, so that nothing is copied between them.
/// As with LocalHost, threads that wait see to the child's answers themselves.
class ChildHost final : public Host {
  public:
    /// Starts the child and waits until it has the device. @param sink outlives it
    /// Errors as of LocalHost::open(); driver_failed: the child ended or was silent; those of
    /// proc::Spawner::spawn.
    [[nodiscard]] static Result<std::unique_ptr<ChildHost>> open(ChildHostOptions options,
                                                                 HostSink& sink);
    ~ChildHost() override;

    [[nodiscard]] const DeviceInfo& info() const noexcept override { return info_; }
    [[nodiscard]] const Features& features() const noexcept override { return features_; }
    void start(Work work) override;
    bool withdraw(std::uint64_t id) override;
    void help(const Awaited& until) override;
    void close() override;

    /// @return the child's process id; 0: there is none just now. For tests.
    [[nodiscard]] int child_pid();
    /// @return how many children were started.
    [[nodiscard]] std::uint32_t children();

  private:
    using Lock = std::unique_lock<std::mutex>;
    struct Running {
        Work work;
        std::vector<Bytes> out;  ///< memory for what comes out; none for what comes inline
        bool sent = false;
        bool suspect = false;  ///< was there when a child died; runs alone
    };
    struct Child {
        proc::Spawned process;
        base::Fd socket;
        std::unordered_map<const Compiled*, std::pair<KernelPtr, std::uint64_t>> kernels;
        struct Buffer {
            std::weak_ptr<const void> identity;
            std::uint64_t id = 0;
        };
        std::unordered_map<const std::byte*, Buffer> buffers;
    };

    ChildHost(ChildHostOptions options, HostSink& sink)
        : options_(std::move(options)), sink_(sink) {}
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<std::unique_ptr<Child>> start_child();
    [[nodiscard]] Result<ReadyMessage> first_word(const Child& child);
    [[nodiscard]] static std::string end_child(Child& child);
    [[nodiscard]] bool closed();

    void send_waiting();
    [[nodiscard]] bool next_may_go() const;
    void begin_to_wait();
    [[nodiscard]] Result<bool> send(Running& running);
    [[nodiscard]] Result<bool> send_kernel(const KernelPtr& kernel, std::uint64_t& id);
    [[nodiscard]] Result<bool> send_buffer(const SharedBuffer& buffer, std::uint64_t& id);
    [[nodiscard]] Result<bool> operand_of(BufferArgument& buffer, Running& running,
                                          OperandMessage& into, std::size_t& inline_left);
    void receive();
    void take(EndedMessage&& message);
    void finish(std::unordered_map<std::uint64_t, Running>::iterator running, Ended&& how);
    void end_of_child(Ended::How as, std::string why = {});
    void bury(Lock& lock);
    void child_failed(const std::string& how, Ended::How as);
    void again(std::uint64_t id, Running& running, bool suspect);
    void give_up(const Error& error);
    void deliver(Lock& lock) noexcept;
    void look_after();
    void end_if_silent();
    void replace_child(Lock& lock);

    const ChildHostOptions options_;
    HostSink& sink_;
    DeviceInfo info_;
    Features features_;
    std::unique_ptr<proc::Spawner> spawner_;
    std::mutex mutex_;  ///< guards what follows
    std::unique_ptr<Child> child_;
    struct Dying {
        std::unique_ptr<Child> child;
        Ended::How as = Ended::How::lost;
        std::string why;
    };
    /// Has failed. The thread ends it, since that can take a driver seconds.
    std::optional<Dying> dying_;
    std::unordered_map<std::uint64_t, Running> running_;
    std::deque<std::uint64_t> waiting_;  ///< to be sent
    std::size_t sent_ = 0;
    bool no_room_ = false;  ///< the child has not read yet what was sent before
    std::size_t suspects_ = 0;
    std::uint64_t last_id_ = 0;  ///< of kernels and buffers
    std::uint32_t children_ = 0;
    /// Once the child said that its device failed, and so will end: whether one job was there.
    std::optional<bool> failed_alone_;
    std::uint32_t failures_ = 0;  ///< of children in a row that ended nothing
    std::optional<Error> lost_;
    std::vector<std::pair<std::uint64_t, Ended>> ended_;
    base::BootTime heard_{};
    std::string buffer_;
    base::Fd bell_;        ///< an eventfd, for the thread when it waits for the child
    bool asleep_ = false;  ///< the thread, until the bell rings
    std::condition_variable wake_;
    bool closed_ = false;
    std::atomic<std::uint32_t> helpers_{0};
    std::thread thread_;
};

}  // namespace repartir::gpu

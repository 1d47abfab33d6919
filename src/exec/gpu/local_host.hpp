// SPDX-License-Identifier: MIT
#pragma once
/// @file local_host.hpp Runs a device's jobs in this process.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "exec/gpu/engine.hpp"
#include "exec/gpu/host.hpp"
#include "exec/gpu/kept_pipelines.hpp"

namespace repartir::gpu {

/// Which device, and how.
struct LocalHostOptions {
    DiscoveryOptions discovery;
    std::string device = "any";                           ///< as select() has it
    std::chrono::milliseconds dispatch_time_max{60'000};  ///< after which the device is given up
    std::string cache_folder{};  ///< for what the driver compiled; empty: it is not kept
    EngineOptions engine;
};

/// The driver's own work is done by whoever calls: start() hands over to the device, and threads
/// that wait in help() see when it is done, so that a round trip needs no other thread. A thread
/// of the host's own does the same for those who do not wait so, and compiles pipelines. It rests
/// while callers do (docs/decisions/0013 has the same for the network).
///
/// One lock guards the engine; nobody waits for the device, or compiles, while holding it. A driver
/// that crashes takes the process with it. A device that hangs is left alone, with the memory that
/// it may still write to.
class LocalHost final : public Host, private JobSink {
  public:
    /// @param sink outlives it
    /// Errors as of devices() and select(); driver_failed, out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<LocalHost>> open(const LocalHostOptions& options,
                                                                 HostSink& sink);
    ~LocalHost() override;

    [[nodiscard]] const DeviceInfo& info() const noexcept override { return device_->info(); }
    [[nodiscard]] const Features& features() const noexcept override { return device_->features(); }
    void start(Work work) override;
    bool withdraw(std::uint64_t id) override;
    void help(const Awaited& until) override;
    void close() override;

    /// @return what is taken of the device's memory, for tests of leaks.
    [[nodiscard]] Memory::Use memory_use();

  private:
    using Lock = std::unique_lock<std::mutex>;
    /// A job that was taken, with what keeps its bytes where they are.
    struct Running {
        Work work;
        std::vector<Bytes> out;
    };
    struct Ready {
        KernelPtr kernel;  // by whose address it is found
        std::shared_ptr<const Pipeline> pipeline;
    };
    /// Memory of the caller's that the device uses in place.
    struct Import {
        std::weak_ptr<const void> identity;
        RegionPtr region;  ///< empty: the driver cannot
    };

    LocalHost(const LocalHostOptions& options, HostSink& sink) : options_(options), sink_(sink) {}
    [[nodiscard]] Result<void> begin();
    void done(std::uint64_t id, const Result<void>& how, bool begun) noexcept override;
    [[nodiscard]] Job job_of(Work work, std::shared_ptr<const Pipeline> pipeline);
    [[nodiscard]] Operand operand_of(const BufferArgument& buffer, Running& running);
    [[nodiscard]] Region* import(const SharedBuffer& buffer);
    void drop_imports();
    void deliver(Lock& lock) noexcept;
    void work_through();
    void compile_one(Lock& lock);
    void look_after(Lock& lock);
    void rest(Lock& lock);
    void save_pipelines();
    [[nodiscard]] bool is_held();
    [[nodiscard]] bool hangs() const noexcept;
    void wait_for_device(const Engine& engine, std::uint64_t submission) noexcept;

    const LocalHostOptions options_;
    HostSink& sink_;
    std::unique_ptr<Vulkan> vulkan_;
    std::unique_ptr<Device> device_;
    KeptPipelines kept_;       ///< the thread's, and of who closes
    std::uint64_t saved_ = 0;  ///< pipelines of which kept_ knows; likewise
    std::mutex mutex_;         ///< guards what follows
    std::unique_ptr<Engine> engine_;
    std::unordered_map<std::uint64_t, Running> running_;
    std::unordered_map<const Compiled*, Ready> pipelines_;
    std::unordered_map<const std::byte*, Import> imports_;
    std::deque<Work> uncompiled_;
    std::vector<std::pair<std::uint64_t, Ended>> ended_;
    std::condition_variable wake_;
    base::BootTime last_work_{};
    bool callers_help_ = false;  ///< those who start jobs have seen to them lately
    bool resting_ = false;       ///< the thread is to be woken for work
    bool closed_ = false;
    std::atomic<std::uint32_t> helpers_{0};
    std::vector<std::thread::id> deliverers_;  ///< who tells of ends now; often what is told starts
    base::BootTime last_start_{};              ///< of those from elsewhere
    std::uint32_t row_ = 0;                    ///< of those without a pause, and nobody waited
    std::atomic<std::int64_t> usual_wait_ns_{0};  ///< for a submission, smoothed
    std::thread thread_;
};

}  // namespace repartir::gpu

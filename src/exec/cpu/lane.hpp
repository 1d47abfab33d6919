// SPDX-License-Identifier: MIT
#pragma once
/// @file lane.hpp One spawner thread with its event loop and the attempts that it runs.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "exec/cpu/host.hpp"
#include "exec/cpu/launch.hpp"
#include "exec/cpu/run.hpp"
#include "exec/cpu/spawning.hpp"
#include "loop/loop.hpp"
#include "proc/spawn.hpp"
#include "repartir/executor.hpp"

namespace repartir::exec {

/// How a lane is set up.
struct LaneOptions {
    std::uint32_t index = 0;                       ///< for the thread's name
    std::uint32_t slots = 1;                       ///< cores' worth of tasks that it should get
    std::optional<std::uint32_t> cpu;              ///< to bind the thread to
    std::vector<unsigned long> children_affinity;  ///< what children get instead
};

/// A thread that starts programs and waits for them in one event loop; see
/// docs/decisions/0008-lanes.md. Functions from any thread unless stated.
class Lane final : private RunObserver {
  public:
    /// Starts the thread. @param host outlives the lane. Errors: out_of_resources, unsupported.
    [[nodiscard]] static Result<std::unique_ptr<Lane>> create(Host& host, LaneOptions options);
    /// As stop() and join().
    ~Lane();

    /// Takes an attempt; its sink will be told, from the lane's thread. From that thread itself,
    /// this makes no system call. @return false, and nothing was taken, when the lane has ended.
    [[nodiscard]] bool start(const AttemptId& id, const Task& task, AttemptSink& sink);
    /// Passes a request on. @return whether the attempt is here.
    bool cancel(const AttemptId& id, CancelReason reason, bool force);
    /// Reads no more of what an attempt that runs here writes. From its thread.
    void hold_output(const AttemptId& id) noexcept;
    /// Passes on that it is to be read again.
    void release_output(const AttemptId& id);
    /// Ends by force what runs and refuses (End::cancelled) what has not begun; the thread ends
    /// when every sink has been told.
    void stop() noexcept;
    /// Waits for the thread; once, and not from the thread itself.
    void join();

    /// @return cores' worth of tasks that are free here; negative when it has more than its share.
    [[nodiscard]] std::int64_t free_slots() const noexcept;
    [[nodiscard]] bool on_this_thread() const noexcept;

  private:
    struct StartOrder {
        AttemptId id;
        const Task* task = nullptr;
        AttemptSink* sink = nullptr;
        std::uint32_t tries_alone = 0;  // that failed for want of resources while nothing ran
    };
    struct CancelOrder {
        AttemptId id;
        CancelReason reason = CancelReason::cancelled;
        bool force = false;
    };
    struct Active {
        std::unique_ptr<Run> run;
        StartOrder order;
        bool counted = false;  // in Host::running
    };
    /// Begins again what could not start for want of descriptors or processes.
    class SecondTry final : public loop::Timer {
      public:
        explicit SecondTry(Lane& lane) : lane_(lane) {}
        void on_timer(base::BootTime /*now*/) noexcept override { lane_.begin_parked(); }

      private:
        Lane& lane_;
    };

    Lane(Host& host, LaneOptions options, std::unique_ptr<loop::Loop> loop,
         std::unique_ptr<proc::Spawner> spawner);
    void call() noexcept;
    void run_thread() noexcept;
    [[nodiscard]] bool take_orders() noexcept;
    [[nodiscard]] bool take_cancels() noexcept;
    [[nodiscard]] Run* active(const AttemptId& id) noexcept;
    void stay_awake() const noexcept;
    void begin(const StartOrder& order) noexcept;
    void begin_parked() noexcept;
    void refuse(const StartOrder& order, CancelReason reason) noexcept;
    void call_off_if_cancelled(const AttemptId& id) noexcept;
    void apply(const CancelOrder& order) noexcept;
    void cancel_all() noexcept;
    void on_result(Run& run, AttemptResult&& result) noexcept override;
    void tell(const AttemptId& id, AttemptSink& sink, std::uint32_t cores,
              AttemptResult&& result) noexcept;

    static constexpr std::size_t read_bytes = std::size_t{64} << 10U;  // as much as a pipe holds

    Host& host_;
    const LaneOptions options_;
    const std::unique_ptr<loop::Loop> loop_;
    const std::unique_ptr<proc::Spawner> spawner_;
    Spawning spawning_;
    Launch launch_;
    HighWaterMark high_water_;
    std::unique_ptr<std::array<std::byte, read_bytes>> buffer_;
    LaneContext context_;

    // The thread's own.
    std::vector<Active> active_;
    std::vector<std::unique_ptr<Run>> idle_;  // kept for the next tasks
    std::vector<StartOrder> starting_;        // swapped with starts_
    std::vector<StartOrder> parked_;          // wait for what runs to give back what they need
    SecondTry second_try_{*this};
    std::vector<CancelOrder> cancelling_;  // taken from cancels_
    std::vector<AttemptId> releasing_;     // swapped with releases_

    std::mutex mutex_;                  // guards what follows, up to closed_
    std::vector<StartOrder> starts_;    // to begin, in order
    std::vector<CancelOrder> cancels_;  // to apply after them
    std::vector<AttemptId> releases_;   // whose output is to be read again
    std::vector<AttemptId> here_;       // begun or to begin, and not yet told of
    bool stopping_ = false;
    bool closed_ = false;  // the thread takes nothing any more

    std::atomic<bool> called_{false};    // something of the above may be new to the thread
    std::atomic<std::int64_t> load_{0};  // cores' worth of what is here_
    std::thread thread_;
    std::atomic<std::thread::id> thread_id_;
};

}  // namespace repartir::exec

// SPDX-License-Identifier: MIT
#pragma once
/// @file runner.hpp Runs attempts for the reactor, and keeps what they wrote.
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/cost.hpp"
#include "loop/loop.hpp"
#include "repartir/cpu_executor.hpp"
#include "repartir/detail/remote_call.hpp"
#include "repartir/executor.hpp"
#include "repartir/scheduler.hpp"
#include "repartir/worker.hpp"
#include "worker/daemon/gpus.hpp"
#include "worker/daemon/shader_value.hpp"
#include "worker/daemon/streamed.hpp"
#include "worker/reactor.hpp"

namespace repartir::worker {

/// Functions by name.
using FunctionTable = std::map<std::string, detail::RemoteFunction, std::less<>>;

/// Starts programs on a CpuExecutor, shaders on GPUs and functions on a crew of threads, hears on
/// their threads how they end, and tells its owner on the loop's. Calls that take no longer than it
/// takes to wake a thread are kept for the owner, see take_short(). What an attempt wrote stays
/// here until forget().
///
/// One thread: the one that leads the loop.
class Runner final : private AttemptSink {
  public:
    /// Who hears of attempts, on the loop's thread.
    class Owner {
      public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        /// Once for every start(). @param busy it runs on, as a function may that was told to end
        virtual void on_finished(const AttemptId& id, Ended&& ended, bool busy) noexcept = 0;
        /// One that ran on beyond its end does so no more.
        virtual void on_freed(const AttemptId& id) noexcept = 0;
        /// An attempt whose output is wanted as it comes has so much of it now.
        virtual void on_grew(const AttemptId& id, wire::Channel channel,
                             std::uint64_t bytes) noexcept = 0;
        /// A call of a function took much longer than its calls take. @param expected how long
        virtual void on_overdue(std::string_view function, base::BootTime took,
                                base::BootTime expected) noexcept = 0;
        /// All that had happened is told.
        virtual void on_told() noexcept = 0;

      protected:
        ~Owner() = default;
    };

    /// @param options slots, name, open_files and gpus count here
    /// Errors: as CpuExecutor::create, Scheduler::create and GpuExecutor::create
    [[nodiscard]] static Result<std::unique_ptr<Runner>> create(loop::Loop& loop, Owner& owner,
                                                                FunctionTable functions,
                                                                const WorkerOptions& options);
    /// Ends what runs, by force, and waits for it.
    ~Runner() override;

    /// @return what programs can have here.
    [[nodiscard]] Capabilities capabilities() const { return programs_->capabilities(); }
    /// @return the GPUs that shaders can have here.
    [[nodiscard]] const Gpus& gpus() const noexcept { return gpus_; }
    /// Runs an attempt. The owner may be told of its end before this returns. @param task as
    /// wire::read_task() takes it
    void start(const AttemptId& id, const std::string& task);
    /// Ends an attempt.
    void stop(const AttemptId& id, bool force);
    /// @return a piece of what an attempt wrote or gave, shorter where there is no more; good as
    /// long as its owner, or else `room`, which may hold it, until the next call.
    [[nodiscard]] detail::Piece read(const AttemptId& id, wire::Channel channel,
                                     std::uint64_t offset, std::uint64_t bytes, std::string& room);
    /// Tells all functions that they need not go on.
    void stop_functions() noexcept;
    /// Nobody will ask for what it wrote again. It has finished.
    void forget(const AttemptId& id);

    /// A function, and how long its calls take.
    struct Function {
        detail::RemoteFunction call;
        std::string_view name{};           ///< its key in the table
        base::BootTime longest = unknown;  ///< of the last calls
        core::RunTimes times{};            ///< of all calls
        static constexpr base::BootTime unknown = std::chrono::milliseconds(1);
    };
    /// A call of a function; without the rest it can be made anywhere.
    struct Call {
        AttemptId id;
        Function* function;
        std::string arguments;
        std::stop_token stop;
    };
    /// One that has been made.
    struct Called {
        AttemptId id;
        Function* function;
        Result<detail::RemoteValue> value;
        base::BootTime began;
        base::BootTime ended;
    };
    [[nodiscard]] bool has_functions() const noexcept { return !functions_.empty(); }
    /// @return whether nothing runs.
    [[nodiscard]] bool idle() const noexcept { return running_ == 0; }
    /// Whether calls that are known to be short are kept for take_short().
    void keep_short(bool keeps) noexcept { keeps_short_ = keeps; }
    /// @return whether calls wait for take_short().
    [[nodiscard]] bool has_short() const noexcept { return !short_.empty(); }
    /// Puts calls that are known to be short into `calls`, which was empty: to be made at once, on
    /// the calling thread, and then given to on() or to tell().
    void take_short(std::vector<Call>& calls);
    /// Has a call made by the crew.
    void call_elsewhere(Call&& call);
    /// Makes a call. Any thread. @param began now
    [[nodiscard]] static Called make(const Call& call, base::BootTime began);
    /// Tells the owner of a call.
    void on(Called& called);
    /// Has the owner told of a call. Any thread.
    void tell(Called&& called) { tell(Event(std::move(called))); }

  private:
    /// An attempt from start() to forget(). Its address stays.
    struct Run;
    struct Ran {
        AttemptId id;
        AttemptResult result;
    };
    struct Grew {
        AttemptId id;
    };
    using Event = std::variant<Called, Ran, Grew>;

    Runner(loop::Loop& loop, Owner& owner, std::string name);

    void finished(const AttemptId& id, AttemptResult&& result) noexcept override;
    void call(Run& run, const wire::TaskView& view);
    void start_shader(Run& run, const wire::TaskView& view);
    void end_shader(Run& run, AttemptResult&& result);
    void tell(Event&& event);
    void told();
    void on(Ran& ran);
    void on(Grew& grew);
    void refuse(Run& run, const Error& why);
    void end_program(Run& run, AttemptResult&& result);
    void end_call(Run& run, Ending ending, std::optional<Error> why, base::BootTime took,
                  bool busy);

    loop::Loop& loop_;
    Owner& owner_;
    std::map<std::string, Function, std::less<>> functions_;
    const std::string name_;
    const std::string spill_dir_;  // of tasks that name none
    std::map<AttemptId, std::unique_ptr<Run>> runs_;
    std::size_t running_ = 0;
    bool keeps_short_ = false;
    std::vector<Call> short_;
    base::BootTime short_time_{0};  // that they will take
    std::mutex mutex_;              // guards what follows
    std::vector<Event> events_;     // told() is posted while there are some
    std::vector<Event> telling_;    // of told() alone
    // Last: their threads call into the rest.
    Gpus gpus_;
    std::unique_ptr<CpuExecutor> programs_;
    std::optional<Scheduler> crew_;
};

}  // namespace repartir::worker

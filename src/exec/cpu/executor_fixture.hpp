// SPDX-License-Identifier: MIT
#pragma once
/// @file executor_fixture.hpp What the tests of CpuExecutor share: a sink that remembers, short
/// calls.
#include <stdlib.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "repartir/cpu_executor.hpp"
#include "repartir/task.hpp"

namespace repartir::exec {

/// Remembers results by attempt; waiting for one takes it out. Any thread.
class RecordingSink final : public AttemptSink {
  public:
    void finished(const AttemptId& id, AttemptResult&& result) noexcept override {
        const std::scoped_lock lock(mutex_);
        results_.emplace(id, std::move(result));
        ++told_;
        changed_.notify_all();
    }
    [[nodiscard]] AttemptResult wait(const AttemptId& id) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return results_.contains(id); });
        return std::move(results_.extract(id).mapped());
    }
    [[nodiscard]] std::size_t told() const {
        const std::scoped_lock lock(mutex_);
        return told_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<AttemptId, AttemptResult> results_;
    std::size_t told_ = 0;
};

/// An executor with a sink, and a folder that goes with it; start and wait in one call.
class ExecutorFixture {
  public:
    ExecutorFixture() : folder_(make_folder()) { make({}); }
    ExecutorFixture(const ExecutorFixture&) = delete;
    ExecutorFixture& operator=(const ExecutorFixture&) = delete;
    ~ExecutorFixture() {
        executor_.reset();
        std::filesystem::remove_all(folder_);
    }

    /// Replaces the executor. Ends the test program when none can be made.
    void make(CpuExecutorOptions options) {
        executor_.reset();
        auto made = CpuExecutor::create(std::move(options));
        if (!made) {
            std::fprintf(stderr, "no executor: %s\n", made.error().describe().c_str());
            std::abort();
        }
        executor_ = std::move(*made);
    }
    [[nodiscard]] AttemptId start(const Task& task) {
        const AttemptId id{{job_, element_++}, 1, 1, 1};
        executor_->start(id, task, sink_);
        return id;
    }
    [[nodiscard]] AttemptResult run(const Task& task) { return sink_.wait(start(task)); }

    [[nodiscard]] std::string in_folder(const char* name) const { return folder_ + "/" + name; }
    void write(const char* name, std::string_view text) const {
        std::ofstream(in_folder(name)) << text;
    }
    [[nodiscard]] static std::string content(const std::string& path) {
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        return text.str();
    }

  protected:
    RecordingSink sink_;
    std::unique_ptr<CpuExecutor> executor_;
    const std::string folder_;

  private:
    [[nodiscard]] static std::string make_folder() {
        char name[] = "/tmp/repartir-executor-test-XXXXXX";
        return ::mkdtemp(name);
    }

    const JobId job_ = JobId::random();
    std::uint32_t element_ = 0;
};

inline constexpr Ending exited_well{End::exited, 0};

/// A shell script as a task.
[[nodiscard]] inline Task shell(std::string_view script) {
    return Task::binary("/bin/sh", "-c", script);
}

}  // namespace repartir::exec

// SPDX-License-Identifier: MIT
#pragma once
/// @file spawn_fixture.hpp What the tests of this room share: start something, see what came of it.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "proc/pipe.hpp"
#include "proc/spawn.hpp"

namespace repartir::proc {

/// A directory that goes with its owner.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "repartir-XXXXXX").string();
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + "/" + name;
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    /// Writes a file. @return its path.
    std::string write(const std::string& name, const std::string& content, mode_t mode) const {
        const std::string path = *this / name;
        std::ofstream(path, std::ios::binary) << content;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }

  private:
    std::string path_;
};

/// Strings as execve wants them; owns copies.
class Strings {
  public:
    explicit Strings(std::vector<std::string> values) : values_(std::move(values)) {
        for (const std::string& value : values_) {
            pointers_.push_back(value.c_str());
        }
        pointers_.push_back(nullptr);
    }
    [[nodiscard]] const char* const* data() const { return pointers_.data(); }

  private:
    std::vector<std::string> values_;
    std::vector<const char*> pointers_;
};

/// What a program that was run to its end has shown.
struct Ran {
    int code = -1;  // exit code, or the signal
    bool signaled = false;
    std::string output;  // standard output
};

inline std::string read_all(int fd) {
    std::string all;
    std::array<char, 4096> buffer{};
    for (ssize_t count = 0; (count = ::read(fd, buffer.data(), buffer.size())) > 0;) {
        all.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return all;
}

inline Ran reap_child(Spawned& child) {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED | __WALL), 0);
    return {.code = info.si_status, .signaled = info.si_code != CLD_EXITED, .output = {}};
}

/// The descriptors that this process has open.
inline std::set<int> open_descriptors() {
    std::set<int> numbers;
    DIR* directory = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(directory)) {
        numbers.insert(std::atoi(entry->d_name));
    }
    numbers.erase(::dirfd(directory));
    ::closedir(directory);
    return numbers;
}

/// A test with a Spawner, of each way to clone.
class WithSpawner : public ::testing::TestWithParam<CloneWay> {
  protected:
    using Adjust = std::function<void(SpawnPlan&)>;

    WithSpawner() {
        SpawnerOptions options;
        options.way = GetParam();
        auto made = Spawner::create(std::move(options));
        EXPECT_TRUE(made) << made.error().sentence();
        if (made) {
            spawner_ = std::move(*made);
        }
    }
    /// Starts argv[0].
    Result<Spawned> start(std::vector<std::string> argv, const Adjust& adjust = {}) {
        const std::string program = argv.front();
        const Strings arguments(std::move(argv));
        SpawnPlan plan;
        plan.program = program.c_str();
        plan.argv = arguments.data();
        plan.envp = environment.data();
        plan.err = STDERR_FILENO;
        if (adjust) {
            adjust(plan);
        }
        return spawner_->spawn(plan);
    }
    /// Runs argv[0] to its end and reads its standard output.
    Ran run(std::vector<std::string> argv, const Adjust& adjust = {}) {
        auto pipe = make_pipe(OurEnd::neither);
        EXPECT_TRUE(pipe);
        auto child = start(std::move(argv), [&](SpawnPlan& plan) {
            plan.out = pipe->writer.get();
            if (adjust) {
                adjust(plan);
            }
        });
        EXPECT_TRUE(child) << child.error().sentence();
        if (!child) {
            return {};
        }
        pipe->writer.reset();
        std::string output = read_all(pipe->reader.get());
        Ran ran = reap_child(*child);
        ran.output = std::move(output);
        return ran;
    }
    Ran shell(const std::string& script, const Adjust& adjust = {}) {
        return run({"/bin/sh", "-c", script}, adjust);
    }
    /// Starts argv[0], which must fail. @return the error.
    Error error_of(std::vector<std::string> argv, const Adjust& adjust = {}) {
        auto child = start(std::move(argv), adjust);
        if (child) {
            reap_child(*child);
            ADD_FAILURE() << "it started";
            return Error(Domain::process, Code::internal, Fault::system, "it started");
        }
        return child.error();
    }

    Strings environment{{"PATH=/usr/bin:/bin", "LC_ALL=C"}};
    std::unique_ptr<Spawner> spawner_;
};

inline std::string name_of_way(const ::testing::TestParamInfo<CloneWay>& info) {
    return info.param == CloneWay::clone ? "clone" : "clone3";
}

}  // namespace repartir::proc

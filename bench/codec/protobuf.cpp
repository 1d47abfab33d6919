// SPDX-License-Identifier: MIT
// The task as a protocol buffer: `encode` and `decode` reuse one message, so that its strings keep
// their room; with `_arena` each message is a new one in an arena that keeps its first block.
#include <google/protobuf/arena.h>

#include "bench/codec/problem.hpp"
#include "task.pb.h"

namespace {

using bench::codec::Digest;
using bench::codec::TaskValues;
namespace proto = bench::codec::proto;

void fill(proto::Task& to, const TaskValues& task) {
    proto::Attempt& attempt = *to.mutable_attempt();
    attempt.set_job0(task.job[0]);
    attempt.set_job1(task.job[1]);
    attempt.set_job2(task.job[2]);
    attempt.set_element(task.element);
    attempt.set_number(task.number);
    attempt.set_issuer(task.issuer);
    attempt.set_epoch(task.epoch);
    to.set_kind(task.kind);
    to.set_path(task.path);
    for (const std::string& arg : task.args) {
        to.add_args(arg);
    }
    for (const auto& [name, value] : task.env) {
        proto::Variable& variable = *to.add_env();
        variable.set_name(name);
        variable.set_value(value);
    }
    to.set_cores(task.cores);
    to.set_memory_bytes(task.memory_bytes);
    to.set_timeout_ms(task.timeout_ms);
}

Digest digest_of(const proto::Task& task) {
    Digest digest;
    const proto::Attempt& attempt = task.attempt();
    digest.number(attempt.job0());
    digest.number(attempt.job1());
    digest.number(attempt.job2());
    digest.number(attempt.element());
    digest.number(attempt.number());
    digest.number(attempt.issuer());
    digest.number(attempt.epoch());
    digest.number(task.kind());
    digest.text(task.path());
    for (const std::string& arg : task.args()) {
        digest.text(arg);
    }
    for (const proto::Variable& variable : task.env()) {
        digest.text(variable.name());
        digest.text(variable.value());
    }
    digest.number(task.cores());
    digest.number(task.memory_bytes());
    digest.number(task.timeout_ms());
    return digest;
}

google::protobuf::ArenaOptions with_block(std::vector<char>& block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block.data();
    options.initial_block_size = block.size();
    return options;
}

class Format {
  public:
    explicit Format(bool arena) : use_arena_(arena) {}

    std::string_view encode(std::size_t message) {
        proto::Task& task = fresh();
        fill(task, tasks_[message]);
        task.SerializeToString(&out_);
        return out_;
    }

    std::optional<Digest> decode(std::string_view bytes) {
        proto::Task& task = fresh();
        if (!task.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
            return std::nullopt;
        }
        return digest_of(task);
    }

  private:
    proto::Task& fresh() {
        if (use_arena_) {
            arena_.Reset();
            return *google::protobuf::Arena::CreateMessage<proto::Task>(&arena_);
        }
        kept_.Clear();
        return kept_;
    }

    bool use_arena_;
    std::vector<TaskValues> tasks_ = bench::codec::messages();
    std::vector<char> block_ = std::vector<char>(16UL * 1024);
    google::protobuf::Arena arena_{with_block(block_)};
    proto::Task kept_;
    std::string out_;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Format format(options.mode.ends_with("_arena"));
    return bench::codec::measure("protobuf", options, options.mode.starts_with("encode"), format);
}

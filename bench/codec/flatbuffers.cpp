// SPDX-License-Identifier: MIT
// The task as a flatbuffer. The builder is reused; its Verifier runs before anything is read.
#include <flatbuffers/flatbuffers.h>

#include "bench/codec/problem.hpp"
#include "task_generated.h"

namespace {

using bench::codec::Digest;
using bench::codec::TaskValues;
namespace flat = bench::codec::flat;

std::string_view view(const flatbuffers::String* text) {
    return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

class Format {
  public:
    std::string_view encode(std::size_t message) {
        const TaskValues& task = tasks_[message];
        builder_.Clear();
        args_.clear();
        env_.clear();
        for (const std::string& arg : task.args) {
            args_.push_back(builder_.CreateString(arg));
        }
        for (const auto& [name, value] : task.env) {
            const auto name_at = builder_.CreateString(name);
            env_.push_back(flat::CreateVariable(builder_, name_at, builder_.CreateString(value)));
        }
        const auto path = builder_.CreateString(task.path);
        const auto args = builder_.CreateVector(args_);
        const auto env = builder_.CreateVector(env_);
        const flat::Attempt attempt(task.job[0], task.job[1], task.job[2], task.element,
                                    task.issuer, task.epoch, task.number);
        builder_.Finish(flat::CreateTask(builder_, &attempt, task.kind, path, args, env, task.cores,
                                         task.memory_bytes, task.timeout_ms));
        // SAFETY: bytes may be looked at as characters.
        return {reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize()};
    }

    static std::optional<Digest> decode(std::string_view bytes) {
        // SAFETY: characters may be looked at as bytes.
        const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
        flatbuffers::Verifier verifier(begin, bytes.size());
        if (!flat::VerifyTaskBuffer(verifier)) {
            return std::nullopt;
        }
        const flat::Task* task = flat::GetTask(begin);
        const flat::Attempt* attempt = task->attempt();
        if (attempt == nullptr || task->args() == nullptr || task->env() == nullptr) {
            return std::nullopt;
        }
        Digest digest;
        digest.number(attempt->job0());
        digest.number(attempt->job1());
        digest.number(attempt->job2());
        digest.number(attempt->element());
        digest.number(attempt->number());
        digest.number(attempt->issuer());
        digest.number(attempt->epoch());
        digest.number(task->kind());
        digest.text(view(task->path()));
        for (const flatbuffers::String* arg : *task->args()) {
            digest.text(view(arg));
        }
        for (const flat::Variable* variable : *task->env()) {
            digest.text(view(variable->name()));
            digest.text(view(variable->value()));
        }
        digest.number(task->cores());
        digest.number(task->memory_bytes());
        digest.number(task->timeout_ms());
        return digest;
    }

  private:
    std::vector<TaskValues> tasks_ = bench::codec::messages();
    flatbuffers::FlatBufferBuilder builder_;
    std::vector<flatbuffers::Offset<flatbuffers::String>> args_;
    std::vector<flatbuffers::Offset<flat::Variable>> env_;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Format format;
    return bench::codec::measure("flatbuffers", options, options.mode == "encode", format);
}

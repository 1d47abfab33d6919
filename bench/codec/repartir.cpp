// SPDX-License-Identifier: MIT
// A task as TaskSubmit carries it, from a Task and back to views. `frame_encode` and `frame_decode`
// are the same with all that stands around it on a connection: the message, the header and both
// checksums. `encode_values` and `decode_values` are what a program's own struct costs, from the
// very strings and vectors that the peers begin with. `copy` is the floor: the encoded bytes,
// copied.
//
// The message has more than the peers' have: priority, affinity, where input and output go, the
// grace, a name. They are read too, and add nothing to the sum.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <span>
#include <tuple>
#include <utility>

#include "bench/codec/problem.hpp"
#include "wire/framer.hpp"
#include "wire/messages.hpp"
#include "wire/task.hpp"

namespace {

using bench::codec::Digest;
using bench::codec::TaskValues;
namespace wire = repartir::wire;

struct Submission {
    repartir::AttemptId attempt;
    repartir::Task task;
};

std::vector<Submission> submissions() {
    std::vector<Submission> all;
    for (const TaskValues& values : bench::codec::messages()) {
        repartir::Task task = repartir::Task::binary(values.path).args(values.args);
        for (const auto& [name, value] : values.env) {
            task.env(name, value);
        }
        task.cores(values.cores).memory(values.memory_bytes);
        task.timeout(std::chrono::milliseconds(values.timeout_ms));
        task.kill_grace(std::chrono::milliseconds(0));
        all.push_back({{{{values.job}, values.element}, values.number, values.issuer, values.epoch},
                       std::move(task)});
    }
    return all;
}

/// Folds what the peers' messages do not have: all of it is 0 here.
void fold_rest(const wire::TaskView& view, Digest& digest) {
    digest.number(std::to_underlying(view.priority) -
                  std::to_underlying(repartir::Priority::normal));
    digest.number(std::to_underlying(view.affinity));
    digest.number(std::to_underlying(view.env_mode));
    digest.number(std::to_underlying(view.input_kind));
    digest.number(std::to_underlying(view.out));
    digest.number(std::to_underlying(view.err));
    digest.number(view.stream ? 1 : 0);
    digest.number(static_cast<std::uint64_t>(view.kill_grace.count()));
    digest.text(view.input);
    digest.text(view.name);
    digest.number(view.extras ? 1 : 0);
}

/// @return what a task's views come to; nothing when one of its variables cannot be read.
std::optional<Digest> digest_of(const wire::TaskView& view) {
    Digest digest;
    for (const std::uint32_t word : view.attempt.task.job.words) {
        digest.number(word);
    }
    digest.number(view.attempt.task.element);
    digest.number(view.attempt.number);
    digest.number(view.attempt.issuer);
    digest.number(view.attempt.epoch);
    digest.number(std::to_underlying(view.work));
    for (std::string_view rest = view.program.second; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find('\0'));
        digest.text(word);
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    }
    digest.number(view.cores);
    digest.number(view.memory_bytes);
    digest.number(static_cast<std::uint64_t>(view.timeout.count()));
    fold_rest(view, digest);
    const auto problem = view.env.each([&](const wire::TextPair& pair) {
        digest.text(pair.first);
        digest.text(pair.second);
    });
    return problem == repartir::codec::Problem::none ? std::optional(digest) : std::nullopt;
}

/// The task by itself.
class Bare {
  public:
    std::string_view encode(std::size_t message) {
        const auto& [attempt, task] = submissions_[message];
        out_.clear();
        wire::append_task(out_, attempt, task, false);
        return out_;
    }
    std::optional<Digest> decode(std::string_view bytes) {
        return wire::read_task(bytes, view_) ? digest_of(view_) : std::nullopt;
    }

  private:
    wire::TaskView view_;
    std::vector<Submission> submissions_ = submissions();
    std::string out_;
};

/// The task in a message of its own.
class Framed {
  public:
    Framed() { framer_.admit(wire::version_max, false); }

    std::string_view encode(std::size_t message) {
        const std::string_view task = bare_.encode(message);
        const Submit submit = repartir::codec::fields(std::span<const std::string_view>(&task, 1));
        out_.clear();
        wire::append_message(out_, wire::MessageType::task_submit, message, submit, {});
        return out_;
    }
    std::optional<Digest> decode(std::string_view bytes) {
        framer_.give(bytes);
        const auto message = framer_.next();
        if (!message || !*message) {
            return std::nullopt;
        }
        const auto submit = wire::decode<wire::TaskSubmit>((*message)->type, (*message)->body);
        std::optional<Digest> digest;
        if (submit && submit->tasks.size() == 1) {
            static_cast<void>(
                submit->tasks.each([&](std::string_view task) { digest = bare_.decode(task); }));
        }
        return digest;
    }

  private:
    using Submit = repartir::codec::Fields<std::span<const std::string_view>>;
    static_assert(repartir::codec::same_wire<Submit, wire::TaskSubmit>);

    Bare bare_;
    wire::Framer framer_;
    std::string out_;
};

auto fields_of(const TaskValues& task) {
    using Variable = std::pair<std::string, std::string>;
    return repartir::codec::fields(
        task.job, task.element, task.number, task.issuer, task.epoch, task.kind, task.cores,
        task.memory_bytes, task.timeout_ms, std::string_view(task.path),
        std::span<const std::string>(task.args), std::span<const Variable>(task.env));
}

/// A struct of a program's own, which has what the peers' messages have.
class Values {
  public:
    std::string_view encode(std::size_t message) {
        const TaskValues& task = tasks_[message];
        out_.clear();
        repartir::codec::append(out_, fields_of(task));
        return out_;
    }
    std::optional<Digest> decode(std::string_view bytes) {
        namespace codec = repartir::codec;
        if (codec::decode(bytes, view_) != codec::Problem::none) {
            return std::nullopt;
        }
        Digest digest;
        for (const std::uint32_t word : view_.job) {
            digest.number(word);
        }
        digest.number(view_.element);
        digest.number(view_.number);
        digest.number(view_.issuer);
        digest.number(view_.epoch);
        digest.number(view_.kind);
        digest.text(view_.path);
        const auto args = view_.args.each([&](std::string_view arg) { digest.text(arg); });
        const auto env = view_.env.each([&](const wire::TextPair& pair) {
            digest.text(pair.first);
            digest.text(pair.second);
        });
        digest.number(view_.cores);
        digest.number(view_.memory_bytes);
        digest.number(view_.timeout_ms);
        const bool whole = args == codec::Problem::none && env == codec::Problem::none;
        return whole ? std::optional(digest) : std::nullopt;
    }

  private:
    struct View {
        std::array<std::uint32_t, 3> job{};
        std::uint32_t element = 0;
        std::uint32_t number = 0;
        std::uint64_t issuer = 0;
        std::uint64_t epoch = 0;
        std::uint8_t kind = 0;
        std::uint32_t cores = 0;
        std::uint64_t memory_bytes = 0;
        std::uint64_t timeout_ms = 0;
        std::string_view path;
        repartir::codec::List<std::string_view> args;
        repartir::codec::List<wire::TextPair> env;
        static constexpr auto codec_fields =
            std::tuple(&View::job, &View::element, &View::number, &View::issuer, &View::epoch,
                       &View::kind, &View::cores, &View::memory_bytes, &View::timeout_ms,
                       &View::path, &View::args, &View::env);
    };
    std::vector<TaskValues> tasks_ = bench::codec::messages();
    std::string out_;
    View view_;
};

/// The bytes of Bare, copied.
class Copy {
  public:
    Copy() {
        for (std::size_t i = 0; i < bench::codec::message_count; ++i) {
            encoded_.emplace_back(bare_.encode(i));
            out_.resize(std::max(out_.size(), encoded_.back().size()));
        }
    }
    std::string_view encode(std::size_t message) {
        const std::string& from = encoded_[message];
        std::memcpy(out_.data(), from.data(), from.size());
        bench::keep(out_.data());
        return {out_.data(), from.size()};
    }
    std::optional<Digest> decode(std::string_view bytes) { return bare_.decode(bytes); }

  private:
    Bare bare_;
    std::vector<std::string> encoded_;
    std::string out_;
};

template <class Format>
int run(const bench::Options& options, bool encoding) {
    Format format;
    return bench::codec::measure("repartir", options, encoding, format);
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    if (options.mode == "copy") {
        return run<Copy>(options, true);
    }
    if (options.mode == "encode" || options.mode == "decode") {
        return run<Bare>(options, options.mode == "encode");
    }
    if (options.mode == "frame_encode" || options.mode == "frame_decode") {
        return run<Framed>(options, options.mode == "frame_encode");
    }
    if (options.mode == "encode_values" || options.mode == "decode_values") {
        return run<Values>(options, options.mode == "encode_values");
    }
    std::fprintf(stderr,
                 "codec.repartir: --mode is copy, or encode or decode alone, with frame_ "
                 "before it or with _values behind it\n");
    return 2;
}

// SPDX-License-Identifier: MIT
// One message of the protocol, named by FUZZ_MESSAGE: whatever can be read is written and read
// again as the same. Built once for each message.
#include "check.hpp"
#include "wire/messages.hpp"
#include "wire/result.hpp"
#include "wire/task.hpp"

namespace repartir::wire {

/// Reads all that lies in a list; what is wrong in it must be found without harm.
template <class T>
void visit(const codec::List<T>& list) {
    std::uint32_t seen = 0;
    const codec::Problem problem = list.each([&](const T&) { ++seen; });
    fuzz::check(problem != codec::Problem::none || seen == list.size());
}

/// A task that can be read and is valid is the same task when it is sent on.
inline void visit_task(std::string_view bytes) {
    const Result<TaskView> view = read_task(bytes);
    const Result<Task> task = view ? to_task(*view) : fail(view.error());
    if (!task) {
        return;
    }
    std::string sent;
    append_task(sent, view->attempt, *task, view->stream);
    const Result<TaskView> again = read_task(sent);
    fuzz::check(again.has_value());
    const Result<Task> same = to_task(*again);
    fuzz::check(same.has_value());
    std::string sent_again;
    append_task(sent_again, again->attempt, *same, again->stream);
    fuzz::check(sent == sent_again);
}

template <class T>
void visit_parts(const T&) {}
inline void visit_parts(const Welcome& message) { visit(message.functions); }
inline void visit_parts(const Attempts& message) { visit(message.ids); }
inline void visit_parts(const Credit& message) { visit(message.results); }
inline void visit_parts(const Cancel& message) { visit(message.ids); }
inline void visit_parts(const ErrorMessage& message) {
    const ErrorRecord record = to_record(to_error(message.error));
    fuzz::check(to_record(to_error(record)) == record);
}
inline void visit_parts(const TaskSubmit& message) {
    static_cast<void>(message.tasks.each(visit_task));
}
inline void visit_parts(const TaskResult& message) {
    const Result<Attempt> attempt = to_attempt(message.report, {});
    if (attempt) {
        const AttemptRecord record = to_record(*attempt, message.report.age);
        fuzz::check(to_attempt(record, {}).has_value());
    }
}

}  // namespace repartir::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using Message = repartir::wire::FUZZ_MESSAGE;
    namespace codec = repartir::codec;
    Message message;
    if (codec::decode(repartir::fuzz::text_of(data, size), message) != codec::Problem::none) {
        return 0;
    }
    repartir::wire::visit_parts(message);
    const std::string written = codec::encode(message);
    repartir::fuzz::check(written.size() == codec::encoded_size(message));
    Message again;
    repartir::fuzz::check(codec::decode(written, again) == codec::Problem::none);
    repartir::fuzz::check(codec::encode(again) == written);
    return 0;
}

// SPDX-License-Identifier: MIT
#include "repartir/error.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace repartir {

struct Error::Body {
    Domain domain;
    Code code;
    Fault fault;
    std::string sentence;
    std::optional<Error> cause;
    mutable std::atomic<std::uint32_t> owners{1};
};

Error::Error(Domain domain, Code code, Fault fault, std::string sentence)
    : body_(new Body{domain, code, fault, std::move(sentence), std::nullopt}) {}

Error::Error(Domain domain, Code code, Fault fault, std::string sentence, Error cause)
    : body_(new Body{domain, code, fault, std::move(sentence), std::move(cause)}) {}

const Error::Body* Error::share(const Body* body) noexcept {
    if (body != nullptr) {
        body->owners.fetch_add(1, std::memory_order_relaxed);  // ORDER: the caller keeps it alive
    }
    return body;
}

void Error::Drop::operator()(const Body* body) const noexcept {
    // ORDER: acq_rel: the others' last reads come before the end
    if (body->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete body;
    }
}

Domain Error::domain() const noexcept { return body_->domain; }
Code Error::code() const noexcept { return body_->code; }
Fault Error::fault() const noexcept { return body_->fault; }
const std::string& Error::sentence() const noexcept { return body_->sentence; }

bool Error::retryable() const noexcept {
    return fault() == Fault::system || fault() == Fault::node || code() == Code::queue_full;
}

const Error* Error::cause() const noexcept { return body_->cause ? &*body_->cause : nullptr; }

std::string Error::describe() const {
    std::string text = sentence();
    for (const Error* next = cause(); next != nullptr; next = next->cause()) {
        text += ": ";
        text += next->sentence();
    }
    return text;
}

std::string_view to_string(Code code) noexcept {
    switch (code) {
        case Code::invalid_task:
            return "invalid_task";
        case Code::invalid_argument:
            return "invalid_argument";
        case Code::queue_full:
            return "queue_full";
        case Code::shut_down:
            return "shut_down";
        case Code::would_deadlock:
            return "would_deadlock";
        case Code::cannot_schedule:
            return "cannot_schedule";
        case Code::cancelled:
            return "cancelled";
        case Code::timed_out:
            return "timed_out";
        case Code::function_threw:
            return "function_threw";
        case Code::idempotency_conflict:
            return "idempotency_conflict";
        case Code::not_found:
            return "not_found";
        case Code::permission_denied:
            return "permission_denied";
        case Code::not_executable:
            return "not_executable";
        case Code::too_large:
            return "too_large";
        case Code::out_of_resources:
            return "out_of_resources";
        case Code::unsupported:
            return "unsupported";
        case Code::io_error:
            return "io_error";
        case Code::malformed:
            return "malformed";
        case Code::incompatible:
            return "incompatible";
        case Code::unreachable:
            return "unreachable";
        case Code::poisoned:
            return "poisoned";
        case Code::driver_failed:
            return "driver_failed";
        case Code::internal:
            return "internal";
    }
    return "unknown";
}

std::string_view to_string(Fault fault) noexcept {
    switch (fault) {
        case Fault::task:
            return "task";
        case Fault::node:
            return "node";
        case Fault::user:
            return "user";
        case Fault::policy:
            return "policy";
        case Fault::system:
            return "system";
    }
    return "unknown";
}

std::string_view to_string(Domain domain) noexcept {
    switch (domain) {
        case Domain::task:
            return "task";
        case Domain::scheduler:
            return "scheduler";
        case Domain::function:
            return "function";
        case Domain::process:
            return "process";
        case Domain::buffer:
            return "buffer";
        case Domain::io:
            return "io";
        case Domain::config:
            return "config";
        case Domain::trust:
            return "trust";
        case Domain::wire:
            return "wire";
        case Domain::net:
            return "net";
        case Domain::gpu:
            return "gpu";
    }
    return "unknown";
}

}  // namespace repartir

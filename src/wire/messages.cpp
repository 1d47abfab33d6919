// SPDX-License-Identifier: MIT
#include "wire/messages.hpp"

#include <algorithm>
#include <optional>
#include <ranges>
#include <utility>

namespace repartir::wire {
namespace {

/// @return the enumerator of that name. @param last the enum's last one @param other stands for
/// names that we do not know
template <class Enum>
Enum named(std::string_view name, Enum last, Enum other) {
    for (std::size_t value = 0; value <= static_cast<std::size_t>(last); ++value) {
        if (to_string(static_cast<Enum>(value)) == name) {
            return static_cast<Enum>(value);
        }
    }
    return other;
}

}  // namespace

std::string_view to_string(Role role) noexcept {
    switch (role) {
        case Role::client:
            return "client";
        case Role::worker:
            return "worker";
        case Role::broker:
            return "broker";
    }
    return "unknown";
}

ErrorRecord to_record(const Error& error) {
    ErrorRecord record{std::string(to_string(error.domain())),
                       std::string(to_string(error.code())),
                       std::string(to_string(error.fault())),
                       error.sentence(),
                       {}};
    for (const Error* cause = error.cause(); cause != nullptr; cause = cause->cause()) {
        record.causes.push_back(cause->sentence());
    }
    return record;
}

Error to_error(const ErrorRecord& record) {
    const Domain domain = named(record.domain, Domain::gpu, Domain::wire);
    const Code code = named(record.code, Code::internal, Code::internal);
    const Fault fault = named(record.fault, Fault::system, Fault::system);
    std::optional<Error> chain;
    for (const std::string& cause : std::ranges::reverse_view(record.causes)) {
        chain = chain ? Error(domain, code, fault, cause, std::move(*chain))
                      : Error(domain, code, fault, cause);
    }
    return chain ? Error(domain, code, fault, record.sentence, std::move(*chain))
                 : Error(domain, code, fault, record.sentence);
}

Result<std::uint16_t> agree(std::uint16_t our_min, std::uint16_t our_max, std::uint16_t their_min,
                            std::uint16_t their_max) {
    const std::uint16_t both = std::min(our_max, their_max);
    if (both >= std::max(our_min, their_min) && their_min <= their_max) {
        return both;
    }
    const auto range = [](std::uint16_t low, std::uint16_t high) {
        return std::to_string(low) + " to " + std::to_string(high);
    };
    return fail(Error(Domain::wire, Code::incompatible, Fault::user,
                      "the peer speaks versions " + range(their_min, their_max) +
                          " of the protocol and this end " + range(our_min, our_max) +
                          ": upgrade the older of the two"));
}

}  // namespace repartir::wire

// SPDX-License-Identifier: MIT
#include "repartir/detail/taken.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <span>

#include "repartir/detail/remote_call.hpp"

namespace repartir::detail {
namespace {

constexpr std::size_t length_bytes = sizeof(std::uint32_t);  // in front of an encoded text

}  // namespace

/// Makes room at once, instead of moving it again and again.
void TakenBytes::make_room(std::uint64_t total) {
    if (total <= bytes_.capacity()) {
        return;
    }
    try {
        bytes_.reserve(total);
    } catch (const std::exception&) {
        return;  // so many may never come: what does will show
    }
    prefer_large_pages(bytes_);
}

Result<void> TakenBytes::take(std::uint64_t offset, std::uint64_t total, std::string_view bytes) {
    if (offset == 0) {
        bytes_.clear();
        make_room(total);
    }
    bytes_ += bytes;
    return {};
}

void TextLength::take(std::uint64_t& offset, std::string_view& bytes) {
    if (offset == 0) {
        bytes_.clear();
    }
    if (offset < length_bytes) {
        const std::size_t missing = length_bytes - offset;
        bytes_ += bytes.substr(0, missing);
        bytes.remove_prefix(std::min(missing, bytes.size()));
    }
    offset = std::max<std::uint64_t>(offset, length_bytes) - length_bytes;
}

std::uint64_t TextLength::value() const {
    codec::Reader reader(bytes_);
    const auto length = reader.number<std::uint32_t>();
    return reader.ok() ? length : unknown;
}

Result<void> TextLength::check(std::uint64_t came) const {
    const std::uint64_t length = value();
    if (length == came) {
        return {};
    }
    return fail(codec::malformed(
        "text", length < came ? codec::Problem::excess : codec::Problem::truncated));
}

Result<void> Taken<std::string>::take(std::uint64_t offset, std::uint64_t total,
                                      std::string_view bytes) {
    length_.take(offset, bytes);
    return text_.take(offset, total, bytes);
}

Result<std::string> Taken<std::string>::whole() {
    if (Result<void> right = length_.check(text_.bytes().size()); !right) {
        return fail(std::move(right).error());
    }
    return text_.move();
}

Result<void> TakenInto::take(std::uint64_t offset, std::uint64_t /*total*/,
                             std::string_view bytes) {
    length_.take(offset, bytes);
    const std::span<std::byte> room = into_.writable();
    came_ = offset + bytes.size();
    const std::uint64_t length = length_.value();
    if (came_ > room.size() || (length != TextLength::unknown && length > room.size())) {
        return fail(Error(Domain::function, Code::too_large, Fault::user,
                          "the function gave " + std::to_string(std::max(came_, length)) +
                              " bytes, and the buffer that they were to go into takes " +
                              std::to_string(room.size()) +
                              ": pass one that is as large, and not sealed"));
    }
    if (!bytes.empty()) {  // in one go: ranges::copy would go byte by byte here
        std::memcpy(room.data() + offset, bytes.data(), bytes.size());
    }
    return {};
}

Result<std::size_t> TakenInto::whole() {
    if (Result<void> right = length_.check(came_); !right) {
        return fail(std::move(right).error());
    }
    return came_;
}

}  // namespace repartir::detail

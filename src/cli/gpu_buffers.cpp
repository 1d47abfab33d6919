// SPDX-License-Identifier: MIT
#include "cli/gpu_buffers.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

Error io_error(std::string_view file, std::string_view what, int error) {
    return Error(
        Domain::io, base::code_of(error), Fault::user,
        cat({file == "-" ? "standard input" : printable(file), what, base::words_of(error)}));
}

/// What a pipe may give: more is for a file, whose size is known before it is read.
constexpr std::size_t stream_bytes_max = std::size_t{4} << 30U;

bool is_npy(std::string_view file) noexcept { return file.ends_with(".npy"); }

/// Reads such as float32x64x64.
std::optional<ArrayType> parse_array(std::string_view text) {
    const std::size_t end = std::min(text.find('x'), text.size());
    const std::optional<ElementType> element = parse_element(text.substr(0, end));
    if (!element) {
        return std::nullopt;
    }
    ArrayType type{*element, {}};
    text.remove_prefix(end);
    while (text.starts_with('x')) {
        text.remove_prefix(1);
        std::uint64_t length = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
        if (read.ec != std::errc()) {
            return std::nullopt;
        }
        type.shape.push_back(length);
        text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    }
    return text.empty() && type.bytes() ? std::optional(std::move(type)) : std::nullopt;
}

/// Reads up to so many bytes at a place, or of a pipe what comes next. @return how many, or -1
ssize_t read_some(int fd, std::span<std::byte> into, std::optional<std::uint64_t> at) noexcept {
    while (true) {
        const ssize_t got = at ? ::pread(fd, into.data(), into.size(), static_cast<off_t>(*at))
                               : ::read(fd, into.data(), into.size());
        if (got >= 0 || errno != EINTR) {
            return got;
        }
    }
}

/// Fills the bytes from a place in a file. @return whether there were so many; else errno is 0 or
/// what went wrong
bool read_at(int fd, std::span<std::byte> into, std::uint64_t at) noexcept {
    while (!into.empty()) {
        const ssize_t got = read_some(fd, into, at);
        if (got <= 0) {
            errno = got == 0 ? 0 : errno;
            return false;
        }
        into = into.subspan(static_cast<std::size_t>(got));
        at += static_cast<std::uint64_t>(got);
    }
    return true;
}

/// @return where the values of a .npy file are, and sets the type; 0 for other files.
/// @param head its first bytes: all, or npy_header_bytes_max. @param size of the file
Result<std::uint64_t> values_at(std::string_view head, std::uint64_t size, BufferSpec& spec) {
    if (!is_npy(spec.from)) {
        return 0;
    }
    Result<NpyHeader> header = read_npy_header(head, spec.from);
    if (!header) {
        return fail(header.error());
    }
    if (const std::uint64_t bytes = *header->type.bytes(); size - header->data_at < bytes) {
        return fail(Error(
            Domain::config, Code::malformed, Fault::user,
            cat({printable(spec.from), " is cut short: it says that it holds ", number(bytes),
                 " bytes, and there are ", number(size - header->data_at), "; write it again"})));
    }
    spec.type = std::move(header->type);
    return header->data_at;
}

/// Reads what cannot be asked for its size, to its end.
Result<SharedBuffer> load_stream(int fd, BufferSpec& spec) {
    std::string all;
    std::size_t filled = 0;
    while (true) {
        constexpr std::size_t least = std::size_t{64} << 10U;
        all.resize(std::max(filled + least, filled * 2));
        const ssize_t got =
            read_some(fd, std::as_writable_bytes(std::span(all).subspan(filled)), std::nullopt);
        if (got < 0) {
            return fail(io_error(spec.from, " cannot be read: ", errno));
        }
        if (got == 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
        if (filled > stream_bytes_max) {
            return fail(Error(Domain::io, Code::too_large, Fault::user,
                              cat({spec.from == "-" ? "standard input" : printable(spec.from),
                                   " gives more than 4 GiB; write it to a file, and pass that"})));
        }
    }
    all.resize(filled);
    const Result<std::uint64_t> at = values_at(all, filled, spec);
    if (!at) {
        return fail(at.error());
    }
    Result<SharedBuffer> buffer =
        SharedBuffer::create(spec.type ? *spec.type->bytes() : filled - *at);
    if (buffer && buffer->size() != 0) {
        std::memcpy(buffer->writable().data(), all.data() + *at, buffer->size());
    }
    return buffer;
}

/// Reads a file whose size is known.
Result<SharedBuffer> load_file(int fd, std::uint64_t size, BufferSpec& spec) {
    std::string head(is_npy(spec.from) ? std::min<std::uint64_t>(size, npy_header_bytes_max) : 0,
                     '\0');
    bool read = read_at(fd, std::as_writable_bytes(std::span(head)), 0);
    const Result<std::uint64_t> at = values_at(head, size, spec);
    if (read && !at) {
        return fail(at.error());
    }
    Result<SharedBuffer> buffer =
        SharedBuffer::create(spec.type ? *spec.type->bytes() : size - at.value_or(0));
    if (!buffer) {
        return buffer;
    }
    read = read && read_at(fd, buffer->writable(), *at);
    if (!read) {
        return fail(errno == 0 ? Error(Domain::io, Code::io_error, Fault::user,
                                       cat({printable(spec.from), " became shorter meanwhile"}))
                               : io_error(spec.from, " cannot be read: ", errno));
    }
    return buffer;
}

/// @return 0, or the errno value that ended it.
int write_all(int fd, std::span<const std::byte> data) noexcept {
    while (!data.empty()) {
        const ssize_t put = ::write(fd, data.data(), data.size());
        if (put < 0 && errno != EINTR) {
            return errno;
        }
        data = data.subspan(static_cast<std::size_t>(std::max<ssize_t>(put, 0)));
    }
    return 0;
}

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text));
}

Result<void> to_standard_output(const BufferSpec& spec, std::span<const std::byte> data) {
    const std::string text = spec.type ? array_text(*spec.type, data) : std::string();
    if (const int error = write_all(STDOUT_FILENO, spec.type ? bytes_of(text) : data); error != 0) {
        return fail(io_error("standard output", " cannot be written: ", error));
    }
    return {};
}

template <class T>
bool append_value(std::string_view text, std::vector<std::byte>& push) {
    T value{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
        return false;
    }
    gpu::detail::append_aligned(push, std::as_bytes(std::span(&value, 1)), sizeof value);
    return true;
}

bool append_value(ElementType type, std::string_view text, std::vector<std::byte>& push) {
    if (type.kind == 'f') {
        return type.bytes == 8   ? append_value<double>(text, push)
               : type.bytes == 4 ? append_value<float>(text, push)
                                 : false;
    }
    const bool is_signed = type.kind == 'i';
    switch (type.bytes) {
        case 1:
            return is_signed ? append_value<std::int8_t>(text, push)
                             : append_value<std::uint8_t>(text, push);
        case 2:
            return is_signed ? append_value<std::int16_t>(text, push)
                             : append_value<std::uint16_t>(text, push);
        case 4:
            return is_signed ? append_value<std::int32_t>(text, push)
                             : append_value<std::uint32_t>(text, push);
        default:
            return is_signed ? append_value<std::int64_t>(text, push)
                             : append_value<std::uint64_t>(text, push);
    }
}

}  // namespace

Result<BufferSpec> parse_buffer(gpu::BufferUse use, std::string_view text) {
    BufferSpec spec;
    spec.use = use;
    const std::size_t colon = use == gpu::BufferUse::in ? std::string_view::npos : text.find(':');
    const std::string_view first = text.substr(0, colon);
    spec.into = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    if (first.empty() || (colon != std::string_view::npos && spec.into.empty())) {
        return fail(usage_error(cat({"\"", printable(text),
                                     "\" is no buffer; write --in FILE, --out"
                                     " SIZE[:FILE] or --inout FILE[:FILE]"})));
    }
    if (use != gpu::BufferUse::out) {
        spec.from = first;
        return spec;
    }
    spec.type = parse_array(first);
    if (spec.type) {
        spec.bytes = *spec.type->bytes();
        return spec;
    }
    const Result<std::uint64_t> bytes = parse_size("--out", first);
    if (!bytes) {
        return fail(usage_error(cat({"--out: \"", printable(first),
                                     "\" is no size; write bytes, like 4096 or 64K, or a type and"
                                     " lengths, like float32x1000 or u32x64x64"})));
    }
    spec.bytes = *bytes;
    return spec;
}

Result<void> append_push(std::string_view text, std::vector<std::byte>& push) {
    const std::size_t colon = text.find(':');
    const std::optional<ElementType> type = parse_element(text.substr(0, colon));
    if (colon == std::string_view::npos || !type ||
        !append_value(*type, text.substr(colon + 1), push)) {
        return fail(usage_error(cat(
            {"--push: \"", printable(text), "\" is no TYPE:VALUE, such as u32:1000 or f32:0.5"})));
    }
    return {};
}

Result<SharedBuffer> load_buffer(BufferSpec& spec) {
    base::Fd opened;
    if (spec.from != "-") {
        opened = base::Fd(::open(spec.from.c_str(), O_RDONLY | O_CLOEXEC));
        if (!opened) {
            return fail(io_error(spec.from, " cannot be read: ", errno));
        }
    }
    const int fd = opened ? opened.get() : STDIN_FILENO;
    struct stat status{};
    if (!opened || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return load_stream(fd, spec);
    }
    return load_file(fd, static_cast<std::uint64_t>(status.st_size), spec);
}

Result<void> store_buffer(const BufferSpec& spec, std::span<const std::byte> data) {
    if (spec.into.empty()) {
        return to_standard_output(spec, data);
    }
    const base::Fd file(::open(spec.into.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    int error = file ? 0 : errno;
    if (error == 0 && is_npy(spec.into)) {
        error = write_all(file.get(),
                          bytes_of(npy_header(spec.type.value_or(ArrayType{{}, {data.size()}}))));
    }
    error = error == 0 ? write_all(file.get(), data) : error;
    if (error != 0) {
        return fail(io_error(spec.into, " cannot be written: ", error));
    }
    return {};
}

}  // namespace repartir::cli

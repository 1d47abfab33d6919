// SPDX-License-Identifier: MIT
#include "cli/inputs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <limits>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

constexpr std::size_t read_bytes = 64U << 10U;
constexpr std::size_t line_bytes_max = (128U << 10U) - 1;  // MAX_ARG_STRLEN, its NUL not counted
constexpr std::uint64_t product_max = std::uint64_t{1} << 63U;

class SingleSource final : public InputSource {
  public:
    Result<Pull> next(Item& item) override {
        if (given_) {
            return Pull::end;
        }
        given_ = true;
        item.sequence = 1;
        return Pull::item;
    }
    [[nodiscard]] std::optional<std::uint64_t> total() const override { return 1; }

  private:
    bool given_ = false;
};

std::uint64_t list_size(const InputList& list) noexcept {
    if (const auto* words = std::get_if<0>(&list)) {
        return words->size();
    }
    return std::get<1>(list).size();
}

class ProductSource final : public InputSource {
  public:
    ProductSource(std::vector<InputList> lists, std::uint64_t total)
        : lists_(std::move(lists)), total_(total) {}

    Result<Pull> next(Item& item) override {
        if (next_ == total_) {
            return Pull::end;
        }
        std::uint64_t rest = next_++;
        item.sequence = next_;
        item.values.resize(lists_.size());
        for (std::size_t i = lists_.size(); i-- > 0;) {
            const std::uint64_t size = list_size(lists_[i]);
            const std::uint64_t index = rest % size;
            rest /= size;
            if (const auto* words = std::get_if<0>(&lists_[i])) {
                item.values[i] = (*words)[static_cast<std::size_t>(index)];
            } else {
                item.values[i] = std::to_string(std::get<1>(lists_[i]).at(index));
            }
        }
        return Pull::item;
    }
    [[nodiscard]] std::optional<std::uint64_t> total() const override { return total_; }

  private:
    std::vector<InputList> lists_;
    std::uint64_t total_;
    std::uint64_t next_ = 0;
};

/// A file or our standard input, read in pieces without ever blocking.
class Stream {
  public:
    enum class Read : std::uint8_t { some, blocked, end };

    static Result<Stream> open(const std::string& path) {
        Stream stream;
        stream.name_ = path == "-" ? "standard input" : path;
        if (path == "-") {
            stream.fd_ = STDIN_FILENO;
            return stream;
        }
        // Without waiting for who writes to a FIFO: read() does, and signals are heard meanwhile.
        stream.owned_ = base::Fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        stream.fd_ = stream.owned_.get();
        if (stream.fd_ < 0) {
            return fail(stream.error("cannot be opened", errno));
        }
        return stream;
    }

    Result<Read> read(std::string& into) {
        pollfd ready{fd_, POLLIN, 0};
        if (::poll(&ready, 1, 0) == 0) {
            return Read::blocked;
        }
        const std::size_t before = into.size();
        into.resize(before + read_bytes);
        const ssize_t got = ::read(fd_, into.data() + before, read_bytes);
        const int error_number = errno;
        into.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got >= 0) {
            return got == 0 ? Read::end : Read::some;
        }
        if (error_number == EAGAIN || error_number == EINTR) {
            return Read::blocked;
        }
        return fail(error("cannot be read", error_number));
    }

    /// @return where it stands when it is a regular file; nothing for what is read only once.
    [[nodiscard]] std::optional<off_t> position() const noexcept {
        struct stat status{};
        const off_t at = ::lseek(fd_, 0, SEEK_CUR);
        const bool regular = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
        return regular && at >= 0 ? std::optional(at) : std::nullopt;
    }
    /// Goes back to a position().
    [[nodiscard]] Result<void> rewind(off_t position) {
        if (::lseek(fd_, position, SEEK_SET) < 0) {
            return fail(error("cannot be read twice", errno));
        }
        return {};
    }

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

  private:
    [[nodiscard]] Error error(std::string_view what, int number) const {
        const Code code = number == ENOENT   ? Code::not_found
                          : number == EACCES ? Code::permission_denied
                                             : Code::io_error;
        return Error(
            Domain::io, code, Fault::user,
            cat({"the input file ", printable(name_), " ", what, ": ", base::words_of(number)}));
    }

    base::Fd owned_;  // empty for standard input, which is not ours to close
    int fd_ = -1;
    std::string name_;
};

class LineSource final : public InputSource {
  public:
    LineSource(Stream stream, char delimiter) : stream_(std::move(stream)), delimiter_(delimiter) {}

    Result<Pull> next(Item& item) override {
        while (true) {
            const std::size_t end = buffer_.find(delimiter_, scanned_);
            scanned_ = end == std::string::npos ? buffer_.size() : end;
            const bool last = end == std::string::npos && ended_ && at_ < buffer_.size();
            if (scanned_ - at_ > line_bytes_max) {
                return fail(usage_error(
                    cat({"input ", number(count_ + 1), " of ", printable(stream_.name()),
                         " is longer than ", number(line_bytes_max),
                         " bytes, the most that one argument can hold"})));
            }
            if (end != std::string::npos || last) {
                return take(item);
            }
            if (ended_) {
                return Pull::end;
            }
            buffer_.erase(0, at_);
            scanned_ -= at_;
            at_ = 0;
            const Result<Stream::Read> read = stream_.read(buffer_);
            if (!read) {
                return fail(read.error());
            }
            if (*read == Stream::Read::blocked) {
                return Pull::blocked;
            }
            ended_ = *read == Stream::Read::end;
        }
    }
    [[nodiscard]] std::optional<std::uint64_t> total() const override {
        return ended_ && at_ == buffer_.size() ? std::optional(count_) : std::nullopt;
    }
    [[nodiscard]] int wait_fd() const override { return stream_.fd(); }

  private:
    Result<Pull> take(Item& item) {
        item.values.resize(1);
        item.values[0].assign(buffer_, at_, scanned_ - at_);
        item.sequence = ++count_;
        if (item.values[0].find('\0') != std::string::npos) {
            return fail(
                usage_error(cat({"input ", number(count_), " of ", printable(stream_.name()),
                                 " holds a NUL byte, which no argument can; use --null where"
                                 " NUL ends the inputs"})));
        }
        at_ = scanned_ < buffer_.size() ? scanned_ + 1 : scanned_;
        scanned_ = at_;
        return Pull::item;
    }

    Stream stream_;
    std::string buffer_;
    std::size_t at_ = 0;       // consumed up to here
    std::size_t scanned_ = 0;  // no delimiter between at_ and here
    std::uint64_t count_ = 0;
    char delimiter_;
    bool ended_ = false;
};

class JobSource final : public InputSource {
  public:
    explicit JobSource(Stream stream) : stream_(std::move(stream)) {}

    /// Reads a regular file to its end and starts anew.
    Result<void> check() {
        const std::optional<off_t> start = stream_.position();
        if (!start) {
            return {};
        }
        Item item;
        Result<Pull> pull = Pull::item;
        while (pull && *pull != Pull::end) {
            pull = next(item);
        }
        if (!pull) {
            return fail(pull.error());
        }
        total_ = std::exchange(count_, 0);
        reader_ = JobReader();
        return stream_.rewind(*start);
    }

    Result<Pull> next(Item& item) override {
        while (true) {
            Result<std::optional<JobSpec>> job = reader_.next();
            if (!job) {
                return fail(job.error());
            }
            if (*job) {
                item.values.assign(1, (*job)->name);
                item.job = std::move(*job);
                item.sequence = ++count_;
                return Pull::item;
            }
            if (reader_.ended()) {
                return Pull::end;
            }
            piece_.clear();
            const Result<Stream::Read> read = stream_.read(piece_);
            if (!read) {
                return fail(read.error());
            }
            if (*read == Stream::Read::blocked) {
                return Pull::blocked;
            }
            if (*read == Stream::Read::end) {
                reader_.finish();
            } else {
                reader_.feed(piece_);
            }
        }
    }
    [[nodiscard]] std::optional<std::uint64_t> total() const override {
        return reader_.ended() ? std::optional(count_) : total_;
    }
    [[nodiscard]] int wait_fd() const override { return stream_.fd(); }

  private:
    Stream stream_;
    JobReader reader_;
    std::string piece_;
    std::uint64_t count_ = 0;
    std::optional<std::uint64_t> total_;  // as check() found it
};

}  // namespace

std::uint64_t NumberRange::size() const noexcept {
    const auto low = static_cast<std::uint64_t>(step > 0 ? first : last);
    const auto high = static_cast<std::uint64_t>(step > 0 ? last : first);
    const std::uint64_t stride =
        step > 0 ? static_cast<std::uint64_t>(step) : ~static_cast<std::uint64_t>(step) + 1;
    return (high - low) / stride + 1;
}

std::int64_t NumberRange::at(std::uint64_t index) const noexcept {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) +
                                     index * static_cast<std::uint64_t>(step));
}

Result<NumberRange> parse_range(std::string_view text) {
    NumberRange range;
    const char* at = text.data();
    const char* end = at + text.size();
    const auto read = [&](std::int64_t& value) {
        const auto [rest, bad] = std::from_chars(at, end, value);
        at = rest;
        if (bad == std::errc::result_out_of_range) {
            value = std::numeric_limits<std::int64_t>::max();  // refused below
        }
        return bad != std::errc::invalid_argument;
    };
    bool good = read(range.first);
    range.last = range.first;
    if (good && at != end && *at == '-') {
        ++at;
        good = read(range.last);
    }
    range.step = 1;
    if (good && at != end && *at == ':') {
        ++at;
        good = read(range.step);
    }
    if (!good || at != end || range.step == 0) {
        return fail(usage_error(cat(
            {"--array: \"", printable(text), "\" is no range; write it like 1-1000 or 0-100:5"})));
    }
    constexpr std::int64_t bound = std::numeric_limits<std::int64_t>::max() / 4;
    for (const std::int64_t value : {range.first, range.last, range.step}) {
        if (value > bound || value < -bound) {
            return fail(usage_error(cat({"--array: \"", printable(text), "\" has a number beyond ",
                                         std::to_string(bound), ", the most that is counted to"})));
        }
    }
    if (range.last != range.first && (range.last < range.first) != (range.step < 0)) {
        return fail(usage_error(cat({"--array: \"", printable(text),
                                     "\" has no numbers, as its end lies before its start; write"
                                     " 10-1:-1 to count down"})));
    }
    return range;
}

std::unique_ptr<InputSource> single_source() { return std::make_unique<SingleSource>(); }

Result<std::unique_ptr<InputSource>> product_source(std::vector<InputList> lists) {
    std::uint64_t total = 1;
    for (const InputList& list : lists) {
        const std::uint64_t size = list_size(list);
        if (size != 0 && total > product_max / size) {
            return fail(usage_error("the lists of inputs make more than 2^63 tasks; shorten them"));
        }
        total *= size;
    }
    return std::make_unique<ProductSource>(std::move(lists), total);
}

Result<std::unique_ptr<InputSource>> line_source(const std::string& path, char delimiter) {
    Result<Stream> stream = Stream::open(path);
    if (!stream) {
        return fail(stream.error());
    }
    return std::make_unique<LineSource>(std::move(*stream), delimiter);
}

Result<std::unique_ptr<InputSource>> job_source(const std::string& path) {
    Result<Stream> stream = Stream::open(path);
    if (!stream) {
        return fail(stream.error());
    }
    auto source = std::make_unique<JobSource>(std::move(*stream));
    if (Result<void> checked = source->check(); !checked) {
        return fail(checked.error());
    }
    return source;
}

}  // namespace repartir::cli

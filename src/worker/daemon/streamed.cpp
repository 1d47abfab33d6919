// SPDX-License-Identifier: MIT
#include "worker/daemon/streamed.hpp"

#include <algorithm>
#include <utility>

namespace repartir::worker {

Streamed::Streamed(base::SpoolLimits limits, std::string_view folder) {
    spools_[std::to_underlying(Stream::out)].begin(limits, folder, "stdout");
    spools_[std::to_underlying(Stream::err)].begin(limits, folder, "stderr");
}

const base::Spool& Streamed::of(Stream stream) const {
    return spools_.at(std::to_underlying(stream));
}

/// @return how many bytes were not taken, with the mutex held.
std::uint64_t Streamed::ahead() const {
    return spools_[0].size() - taken_[0] + spools_[1].size() - taken_[1];
}

bool Streamed::append(Stream stream, std::span<const char> text) {
    const std::scoped_lock lock(mutex_);
    spools_.at(std::to_underlying(stream)).append(text);
    return ahead() >= ahead_max && !std::exchange(waits_, true);
}

std::string Streamed::take(Stream stream, std::uint64_t offset, std::uint64_t most) {
    const std::scoped_lock lock(mutex_);
    std::string bytes = of(stream).read(offset, most);
    std::uint64_t& taken = taken_.at(std::to_underlying(stream));
    taken = std::max(taken, offset + bytes.size());
    return bytes;
}

bool Streamed::resumes() {
    const std::scoped_lock lock(mutex_);
    return ahead() <= ahead_max / 2 && std::exchange(waits_, false);
}

std::optional<Error> Streamed::loss() const {
    std::optional<Error> loss = spools_[0].loss();
    return loss ? loss : spools_[1].loss();
}

}  // namespace repartir::worker

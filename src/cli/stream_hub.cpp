// SPDX-License-Identifier: MIT
#include "cli/stream_hub.hpp"

namespace repartir::cli {

StreamedTask::StreamedTask(StreamHub& hub, std::string_view label, bool tag)
    : hub_(hub),
      sides_{Side{{}, Tagger(label), false}, Side{{}, Tagger(label), false}},
      tag_(tag) {}

void StreamedTask::emit(Side& side, std::string_view text, std::string& into) const {
    if (tag_) {
        side.tagger.add(text, into);
    } else {
        into += text;
    }
}

void StreamedTask::add(Stream stream, std::span<const char> piece) {
    const std::size_t index = stream == Stream::out ? 0 : 1;
    const std::string_view text(piece.data(), piece.size());
    std::unique_lock lock(hub_.mutex_);
    hub_.taken_.wait(lock, [&] {
        return hub_.discarding_ ||
               hub_.ready_[0].size() + hub_.ready_[1].size() < StreamHub::bytes_max;
    });
    if (hub_.discarding_) {
        return;
    }
    Side& side = sides_.at(index);
    std::string& ready = hub_.ready_.at(index);
    const std::size_t end = text.rfind('\n');
    const std::size_t whole = end == std::string_view::npos ? 0 : end + 1;
    const bool was_empty = ready.empty();
    if (whole > 0) {
        emit(side, side.partial, ready);
        side.partial.clear();
        emit(side, text.substr(0, whole), ready);
        side.cut = false;
    }
    side.partial += text.substr(whole);
    if (side.partial.size() > StreamHub::line_bytes_max) {
        emit(side, side.partial, ready);
        side.partial.clear();
        side.cut = true;
    }
    const bool news = was_empty && !ready.empty();
    lock.unlock();
    if (news) {
        hub_.bell_.ring();
    }
}

void StreamedTask::finish() {
    const std::lock_guard lock(hub_.mutex_);
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        if (!sides_.at(i).partial.empty() || sides_.at(i).cut) {
            emit(sides_.at(i), sides_.at(i).partial, hub_.ready_.at(i));
            hub_.ready_.at(i) += '\n';
            sides_.at(i).partial.clear();
            sides_.at(i).cut = false;
        }
    }
}

void StreamHub::take(std::string& out, std::string& err) {
    const std::lock_guard lock(mutex_);
    out += ready_[0];
    err += ready_[1];
    ready_[0].clear();
    ready_[1].clear();
    taken_.notify_all();
}

void StreamHub::discard() {
    const std::lock_guard lock(mutex_);
    discarding_ = true;
    ready_[0].clear();
    ready_[1].clear();
    taken_.notify_all();
}

}  // namespace repartir::cli

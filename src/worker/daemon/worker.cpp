// SPDX-License-Identifier: MIT
// The public face of the daemon.
#include "repartir/worker.hpp"

#include <utility>

#include "worker/daemon/daemon.hpp"

namespace repartir {

std::string_view to_string(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warning:
            return "warning";
        case LogLevel::error:
            return "error";
    }
    return "unknown";
}

struct Worker::Impl {
    std::unique_ptr<worker::Daemon> daemon;
};

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Worker::Worker(Worker&&) noexcept = default;
Worker& Worker::operator=(Worker&&) noexcept = default;
Worker::~Worker() = default;

void Worker::run() { impl_->daemon->run(); }

void Worker::drain(std::chrono::milliseconds deadline, std::string_view reason) {
    impl_->daemon->drain(deadline, std::string(reason));
}

void Worker::stop() { impl_->daemon->stop(); }

const std::vector<std::string>& Worker::addresses() const noexcept {
    return impl_->daemon->addresses();
}

Result<Worker> Worker::Builder::build() {
    Result<std::unique_ptr<worker::Daemon>> daemon =
        worker::Daemon::create(std::move(options_), std::move(functions_));
    if (!daemon) {
        return fail(daemon.error());
    }
    return Worker(std::unique_ptr<Impl>(new Impl{std::move(*daemon)}));
}

}  // namespace repartir

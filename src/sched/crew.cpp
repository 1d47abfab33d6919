// SPDX-License-Identifier: MIT
#include "repartir/detail/crew.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace repartir::detail {

namespace {
thread_local const Crew* current_crew = nullptr;
}  // namespace

struct Crew::Impl {
    std::mutex mutex;
    std::condition_variable wake;
    Continuation* first = nullptr;
    Continuation* last = nullptr;
    bool stopping = false;
    std::vector<std::thread> threads;
};

Crew::Crew(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Crew>> Crew::create(const SchedulerOptions& options) {
    std::unique_ptr<Crew> crew(new Crew(std::make_unique<Impl>()));
    const std::uint32_t count =
        options.workers == 0 ? options.topology.default_workers() : options.workers;
    for (std::uint32_t i = 0; i < count; ++i) {
        crew->impl_->threads.emplace_back([self = crew.get()] {
            current_crew = self;
            Impl& impl = *self->impl_;
            std::unique_lock lock(impl.mutex);
            for (;;) {
                impl.wake.wait(lock, [&] { return impl.first != nullptr || impl.stopping; });
                Continuation* const next = impl.first;
                if (next == nullptr) {
                    return;
                }
                impl.first = next->next_;
                lock.unlock();
                next->run();
                lock.lock();
            }
        });
    }
    return crew;
}

Crew::~Crew() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    impl_->wake.notify_all();
    for (std::thread& thread : impl_->threads) {
        thread.join();
    }
}

void Crew::post(Continuation& continuation) noexcept {
    {
        const std::lock_guard lock(impl_->mutex);
        continuation.next_ = nullptr;
        (impl_->first == nullptr ? impl_->first : impl_->last->next_) = &continuation;
        impl_->last = &continuation;
    }
    impl_->wake.notify_one();
}

Result<void> Crew::shutdown(Shutdown /*how*/) { return {}; }
std::uint32_t Crew::workers() const noexcept {
    return static_cast<std::uint32_t>(impl_->threads.size());
}
bool Crew::on_crew_thread() const noexcept { return current_crew == this; }
void Crew::count(SchedulerStats& /*stats*/) const noexcept {}

}  // namespace repartir::detail

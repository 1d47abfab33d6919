// SPDX-License-Identifier: MIT
#include "exec/gpu/engine.hpp"

#include <algorithm>
#include <utility>

namespace repartir::gpu {

Engine::Engine(const Device& device, JobSink& sink, const EngineOptions& options,
               std::span<const std::byte> kept)
    : device_(device),
      sink_(sink),
      options_(options),
      memory_(device, options.device_bytes_max),
      pipelines_(device, kept),
      setups_(device, memory_,
              {.unified = device.unified(),
               .near = device.memory_type(Place::near).has_value(),
               .copies = options.copies}) {}

Result<std::unique_ptr<Engine>> Engine::make(const Device& device, JobSink& sink,
                                             const EngineOptions& options,
                                             std::span<const std::byte> kept) {
    std::unique_ptr<Engine> engine(new Engine(device, sink, options, kept));
    if (Result<void> started = engine->start(); !started) {
        return fail(started.error());
    }
    return engine;
}

Result<void> Engine::start() {
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = device_.queue_family();
    VkCommandPool made_pool = nullptr;
    if (const VkResult made =
            device_.call.create_command_pool(device_.handle(), &pool, nullptr, &made_pool);
        made != VK_SUCCESS) {
        return fail(driver_error("vkCreateCommandPool", made));
    }
    pool_ = device_.own(made_pool, device_.call.destroy_command_pool);
    VkSemaphoreTypeCreateInfo counts{};
    counts.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
    counts.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    VkSemaphoreCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    wanted.pNext = &counts;
    VkSemaphore timeline = nullptr;
    if (const VkResult made =
            device_.call.create_semaphore(device_.handle(), &wanted, nullptr, &timeline);
        made != VK_SUCCESS) {
        return fail(driver_error("vkCreateSemaphore", made));
    }
    timeline_ = device_.own(timeline, device_.call.destroy_semaphore);
    return {};
}

Engine::~Engine() {
    if (!flying_.empty() && device_.call.device_wait_idle != nullptr) {
        device_.call.device_wait_idle(device_.handle());
    }
}

void Engine::submit(Job job) {
    hold(std::move(job));
    if (may_launch()) {
        launch();
    }
}

void Engine::hold(Job job) {
    if (lost_) {
        sink_.done(job.id, fail(*lost_), false);
        return;
    }
    waiting_[static_cast<std::size_t>(job.priority)].push_back(std::move(job));
    ++waiting_count_;
}

bool Engine::may_launch() const noexcept {
    if (lost_ || waiting_count_ == 0 || flying_.size() >= depth) {
        return false;
    }
    return flying_.empty() || waiting_count_ >= options_.early_jobs ||
           base::now() - flying_.front().since > options_.early_after;
}

bool Engine::withdraw(std::uint64_t id) {
    return std::ranges::any_of(waiting_, [&](std::deque<Job>& lane) {
        const std::size_t erased =
            std::erase_if(lane, [&](const Job& job) { return job.id == id; });
        waiting_count_ -= erased;
        return erased != 0;
    });
}

bool Engine::advance() {
    end_finished();
    hand_on();
    return busy();
}

void Engine::hand_on() {
    while (may_launch() && launch()) {}
}

bool Engine::busy() const noexcept { return !lost_ && (!flying_.empty() || waiting_count_ != 0); }

std::deque<Job>* Engine::next_lane() noexcept {
    const auto lane = std::ranges::find_if(waiting_, [](const auto& one) { return !one.empty(); });
    return lane == waiting_.end() ? nullptr : &*lane;
}

std::uint64_t Engine::awaited() const noexcept {
    return flying_.empty() ? 0 : flying_.front().submission;
}

std::optional<base::BootTime> Engine::busy_since() const noexcept {
    return flying_.empty() ? std::nullopt : std::optional(flying_.front().since);
}

bool Engine::reached(std::uint64_t submission) const noexcept {
    std::uint64_t count = 0;
    return device_.call.get_semaphore_counter_value(device_.handle(), timeline_.get(), &count) !=
               VK_SUCCESS ||
           count >= submission;
}

void Engine::wait(std::uint64_t submission, std::chrono::nanoseconds at_most) const noexcept {
    const VkSemaphore timeline = timeline_.get();
    VkSemaphoreWaitInfo what{};
    what.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
    what.semaphoreCount = 1;
    what.pSemaphores = &timeline;
    what.pValues = &submission;
    device_.call.wait_semaphores(
        device_.handle(), &what,
        static_cast<std::uint64_t>(std::max<std::int64_t>(at_most.count(), 0)));
}

void Engine::end_finished() {
    if (flying_.empty()) {
        return;
    }
    std::uint64_t count = 0;
    const VkResult read =
        device_.call.get_semaphore_counter_value(device_.handle(), timeline_.get(), &count);
    if (read != VK_SUCCESS) {
        lose(driver_error("vkGetSemaphoreCounterValue", read));
        return;
    }
    while (!flying_.empty() && flying_.front().submission <= count) {
        Batch batch = std::move(flying_.front());
        flying_.pop_front();
        if (!flying_.empty()) {
            flying_.front().since = base::now();
        }
        finishing_ = true;
        if (may_launch()) {  // first, so that the device has something to do meanwhile
            launch();
        }
        finishing_ = false;
        finish(batch);
    }
}

void Engine::finish(Batch& batch) {
    if (batch.commands != nullptr) {
        setups_.spare_commands().push_back(batch.commands);
    }
    for (Running& one : batch.jobs) {
        one.setup->unload(one.job);
        const std::uint64_t id = one.job.id;
        setups_.give_back(one.job, std::move(one.setup));
        one.job = {};  // what it shared is gone before anybody hears of it
        sink_.done(id, {}, true);
    }
}

bool Engine::launch() {
    const std::size_t waited = waiting_count_;
    Batch batch = gather();
    if (batch.jobs.empty()) {
        return waiting_count_ != waited;  // else there is no room until others have ended
    }
    Result<VkCommandBuffer> commands = commands_for(batch);
    const Result<void> handed =
        commands ? hand_over(batch, *commands) : fail(std::move(commands).error());
    if (handed) {
        flying_.push_back(std::move(batch));
        return true;
    }
    const bool failed = handed.error().code() == Code::driver_failed;
    if (failed) {
        lost_ = handed.error();
    }
    fail_batch(batch, handed.error(), false);
    if (failed) {
        drop(handed.error());
    }
    return true;
}

Engine::Batch Engine::gather() {
    Batch batch;
    std::uint64_t bytes = 0;
    while (std::deque<Job>* lane = next_lane()) {
        std::uint64_t more = 0;
        for (const Operand& operand : lane->front().operands) {
            more += operand.bytes;
        }
        if (!batch.jobs.empty() && (batch.jobs.size() >= options_.batch_jobs_max ||
                                    bytes + more > options_.batch_bytes_max)) {
            break;
        }
        Result<std::unique_ptr<Setup>> setup = setups_.take(lane->front());
        const bool later = !setup && setup.error().code() == Code::out_of_resources &&
                           (!batch.jobs.empty() || !flying_.empty() || finishing_);
        if (later) {  // there is room when others have ended
            break;
        }
        Running one{std::move(lane->front()), nullptr};
        lane->pop_front();
        --waiting_count_;
        if (!setup) {
            sink_.done(one.job.id, fail(setup.error()), false);
            continue;
        }
        bytes += more;
        one.setup = *std::move(setup);
        one.setup->load(one.job);
        batch.jobs.push_back(std::move(one));
    }
    return batch;
}

Result<void> Engine::hand_over(Batch& batch, VkCommandBuffer commands) {
    const VkSemaphore timeline = timeline_.get();
    batch.submission = submitted_ + 1;
    VkTimelineSemaphoreSubmitInfo values{};
    values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    values.signalSemaphoreValueCount = 1;
    values.pSignalSemaphoreValues = &batch.submission;
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.pNext = &values;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    submit.signalSemaphoreCount = 1;
    submit.pSignalSemaphores = &timeline;
    if (const VkResult result = device_.call.queue_submit(device_.queue(), 1, &submit, nullptr);
        result != VK_SUCCESS) {
        return fail(driver_error("vkQueueSubmit", result));
    }
    ++submitted_;
    batch.since = base::now();
    return {};
}

void Engine::fail_batch(Batch& batch, const Error& error, bool begun) {
    if (batch.commands != nullptr) {
        setups_.spare_commands().push_back(batch.commands);
    }
    for (Running& one : batch.jobs) {
        const std::uint64_t id = one.job.id;
        one = {};
        sink_.done(id, fail(error), begun);
    }
}

void Engine::lose(const Error& error) {
    lost_ = error;
    drop(error);
}

void Engine::drop(const Error& error) {
    while (!flying_.empty()) {
        Batch batch = std::move(flying_.front());
        flying_.pop_front();
        fail_batch(batch, error, true);
    }
    drop_waiting(error);
}

void Engine::leave(const Error& error) {
    lost_ = error;
    std::vector<std::uint64_t> ids;
    for (const Batch& batch : flying_) {
        for (const Running& one : batch.jobs) {
            ids.push_back(one.job.id);
        }
    }
    for (const std::uint64_t id : ids) {
        sink_.done(id, fail(error), true);
    }
    drop_waiting(error);
}

void Engine::drop_waiting(const Error& error) {
    while (std::deque<Job>* lane = next_lane()) {
        const std::uint64_t id = lane->front().id;
        lane->pop_front();
        --waiting_count_;
        sink_.done(id, fail(error), false);
    }
}

Result<std::shared_ptr<Resident>> Engine::make_resident(std::uint64_t bytes) {
    Result<RegionPtr> region = memory_.take(Place::device, bytes);
    if (!region) {
        return fail(region.error());
    }
    auto resident = std::make_shared<Resident>();
    resident->region = *std::move(region);
    resident->bytes = bytes;
    return resident;
}

}  // namespace repartir::gpu

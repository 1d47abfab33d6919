// SPDX-License-Identifier: MIT
#include "exec/gpu/local_host.hpp"

#include <algorithm>
#include <utility>

#include "base/in_words.hpp"
#include "exec/gpu/devices.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t import_bytes_min = 64ULL << 10U;  ///< less is copied: pages cost, too
constexpr std::size_t pipelines_max = 256;
constexpr base::BootTime spin_min = 30us;       ///< about what a blocking wait costs beside
constexpr base::BootTime spin_max = 500us;      ///< where waits are longer, that matters little
constexpr std::chrono::nanoseconds look = 5ms;  ///< between two, at whether the wait is over
constexpr std::chrono::nanoseconds nap = 1ms;   ///< of the thread's, between two looks
constexpr std::uint32_t stream = 4;             ///< who starts so many without a pause sees to them
/// So many of a stream's jobs go to the device at once: to hand one over takes longer (6 us on an
/// H100) than it takes to start it, so that each would go alone, or not, as it happens.
constexpr std::size_t stream_batch = 16;
constexpr base::BootTime stream_pause = 50us;         ///< longer ones end a stream
constexpr std::chrono::nanoseconds held_max = 100us;  ///< a stream's last jobs, about
constexpr base::BootTime rest_after = 50ms;           ///< without work
constexpr base::BootTime end_patience = 5s;           ///< with a device that is to stop

Error shut_down_error() {
    return Error(Domain::gpu, Code::shut_down, Fault::user, "the GPU was shut down");
}

}  // namespace

Result<std::unique_ptr<LocalHost>> LocalHost::open(const LocalHostOptions& options,
                                                   HostSink& sink) {
    std::unique_ptr<LocalHost> host(new LocalHost(options, sink));
    if (Result<void> begun = host->begin(); !begun) {
        return fail(begun.error());
    }
    return host;
}

Result<void> LocalHost::begin() {
    Result<std::unique_ptr<Vulkan>> vulkan = Vulkan::open();
    if (!vulkan) {
        return fail(vulkan.error());
    }
    vulkan_ = *std::move(vulkan);
    const Result<VkPhysicalDevice> chosen = choose(*vulkan_, options_.discovery, options_.device);
    if (!chosen) {
        return fail(chosen.error());
    }
    Result<std::unique_ptr<Device>> device = Device::open(*vulkan_, *chosen);
    if (!device) {
        return fail(device.error());
    }
    device_ = *std::move(device);
    kept_ = KeptPipelines(options_.cache_folder, device_->info());
    Result<std::unique_ptr<Engine>> engine =
        Engine::make(*device_, *this, options_.engine, kept_.load());
    if (!engine) {
        return fail(engine.error());
    }
    engine_ = *std::move(engine);
    thread_ = std::thread([this] { work_through(); });
    return {};
}

LocalHost::~LocalHost() {
    close();
    if (engine_ && engine_->awaited() != 0) {
        // Never given back: the device may use all of it for as long as the process lives.
        static_cast<void>(engine_.release());
        static_cast<void>(device_.release());
        static_cast<void>(vulkan_.release());
        static_cast<void>(new auto(std::move(running_)));
        static_cast<void>(new auto(std::move(imports_)));
    }
}

/// @return whether a job that is started now goes to the device with others.
bool LocalHost::is_held() {
    if (std::ranges::find(deliverers_, std::this_thread::get_id()) != deliverers_.end()) {
        return true;  // it hands them on when it has told of all that ended
    }
    const base::BootTime before = std::exchange(last_start_, last_work_);
    row_ = last_start_ - before < stream_pause ? row_ + 1 : 1;
    return row_ > stream && engine_->waiting() + 1 < stream_batch;
}

void LocalHost::start(Work work) {
    Lock lock(mutex_);
    last_work_ = base::now();
    if (closed_ || engine_->lost()) {
        const Error error = engine_->lost().value_or(shut_down_error());
        ended_.emplace_back(work.id, Ended{.how = Ended::How::not_begun, .error = error});
        deliver(lock);
        return;
    }
    const auto found = pipelines_.find(work.kernel.get());
    const bool compiled = found != pipelines_.end();
    const bool holds = is_held();
    if (!compiled) {
        uncompiled_.push_back(std::move(work));
    } else if (Job job = job_of(std::move(work), found->second.pipeline); holds) {
        engine_->hold(std::move(job));
    } else {
        engine_->submit(std::move(job));
        engine_->advance();
    }
    if (resting_ && (!compiled || holds || !callers_help_)) {
        wake_.notify_one();
    }
    deliver(lock);
}

Job LocalHost::job_of(Work work, std::shared_ptr<const Pipeline> pipeline) {
    const std::uint64_t id = work.id;
    Running& running = running_[id];
    running.work = std::move(work);
    Job job;
    job.id = id;
    job.priority = running.work.priority;
    job.pipeline = std::move(pipeline);
    job.workgroups = running.work.workgroups;
    for (const BufferArgument& buffer : running.work.buffers) {
        job.operands.push_back(operand_of(buffer, running));
    }
    // SAFETY: any object may be read as characters.
    job.push.assign(reinterpret_cast<const char*>(running.work.push.data()),
                    running.work.push.size());
    return job;
}

Operand LocalHost::operand_of(const BufferArgument& buffer, Running& running) {
    Operand operand;
    operand.bytes = buffer.bytes;
    operand.from = buffer.from.view();
    const SharedBuffer* shared = buffer.from.shared();
    if (buffer.use != BufferUse::in) {
        operand.use = buffer.use == BufferUse::out ? Use::out : Use::in_out;
        if (buffer.into) {
            SharedBuffer into = *buffer.into;
            operand.to = into.writable();
            shared = buffer.use == BufferUse::out || shared != nullptr ? &*buffer.into : nullptr;
            running.out.emplace_back(std::move(into));
        } else {
            auto memory = std::make_unique_for_overwrite<std::byte[]>(buffer.bytes);
            operand.to = {memory.get(), buffer.bytes};
            shared = nullptr;
            running.out.emplace_back(std::move(memory), buffer.bytes);
        }
    }
    operand.imported = shared == nullptr ? nullptr : import(*shared);
    return operand;
}

Region* LocalHost::import(const SharedBuffer& buffer) {
    const std::span<const std::byte> bytes = buffer.bytes();
    const std::uint64_t alignment = device_->info().limits.host_memory_alignment;
    constexpr std::uint64_t page = 4096;  // a mapping reaches to the end of its last one
    if (bytes.size() < import_bytes_min || buffer.sealed() || alignment == 0 || alignment > page) {
        return nullptr;
    }
    const std::weak_ptr<const void> identity = buffer.identity();
    if (const auto known = imports_.find(bytes.data()); known != imports_.end()) {
        const auto& other = known->second.identity;
        if (!identity.owner_before(other) && !other.owner_before(identity)) {
            return known->second.region.get();
        }
    }
    drop_imports();
    const std::uint64_t whole = (bytes.size() + page - 1) / page * page;
    // SAFETY: the buffer is not sealed, so that its mapping is for writing.
    auto* const memory = const_cast<std::byte*>(bytes.data());
    Result<RegionPtr> region = engine_->memory().import({memory, whole});
    Import& kept = imports_[bytes.data()];
    kept = {identity, region ? *std::move(region) : RegionPtr()};
    return kept.region.get();
}

void LocalHost::drop_imports() {
    std::erase_if(imports_, [](const auto& one) { return one.second.identity.expired(); });
}

bool LocalHost::withdraw(std::uint64_t id) {
    const Lock lock(mutex_);
    if (std::erase_if(uncompiled_, [&](const Work& work) { return work.id == id; }) != 0) {
        return true;
    }
    return engine_->withdraw(id) && running_.erase(id) != 0;
}

void LocalHost::done(std::uint64_t id, const Result<void>& how, bool begun) noexcept {
    const auto found = running_.find(id);
    Ended ended;
    if (how) {
        ended.buffers = std::move(found->second.out);
    } else {
        ended.how = !engine_->lost() ? Ended::How::failed
                    : !begun         ? Ended::How::not_begun
                    : hangs()        ? Ended::How::hung
                                     : Ended::How::lost;
        ended.error = how.error();
    }
    ended_.emplace_back(id, std::move(ended));
    if (how || !begun) {  // else the device may still write there
        running_.erase(found);
    }
}

void LocalHost::deliver(Lock& lock) noexcept {
    while (!ended_.empty()) {
        std::vector<std::pair<std::uint64_t, Ended>> ended = std::exchange(ended_, {});
        const std::thread::id self = std::this_thread::get_id();
        deliverers_.push_back(self);
        lock.unlock();
        for (auto& [id, how] : ended) {
            sink_.ended(id, std::move(how));
        }
        lock.lock();
        deliverers_.erase(std::ranges::find(deliverers_, self));
        engine_->hand_on();
    }
    lock.unlock();
}

void LocalHost::help(const Awaited& until) {
    ++helpers_;
    while (!until.there()) {
        Lock lock(mutex_);
        callers_help_ = true;
        row_ = 0;
        engine_->advance();
        const Engine& engine = *engine_;  // stays where it is, also when it is left to the device
        const std::uint64_t submission = engine.lost() ? 0 : engine.awaited();
        deliver(lock);
        if (submission == 0) {
            break;  // it waits for something else: a pipeline, say
        }
        if (!until.there()) {
            wait_for_device(engine, submission);
        }
    }
    --helpers_;
}

void LocalHost::wait_for_device(const Engine& engine, std::uint64_t submission) noexcept {
    const base::BootTime begin = base::now();
    // ORDER: relaxed: a measure by which nothing else is judged
    const base::BootTime usual(usual_wait_ns_.load(std::memory_order_relaxed));
    const bool own_cores = device_->info().type != DeviceType::cpu;
    const base::BootTime patience = !own_cores          ? spin_min
                                    : usual <= spin_max ? std::max(2 * usual, spin_min)
                                                        : base::BootTime(0);
    bool there = engine.reached(submission);
    while (!there && base::now() - begin < patience) {
        there = engine.reached(submission);
    }
    if (!there) {
        engine.wait(submission, look);
    }
    const base::BootTime took = base::now() - begin;
    constexpr int weight = 8;
    usual_wait_ns_.store((usual + (took - usual) / weight).count(),
                         std::memory_order_relaxed);  // ORDER: as above
}

void LocalHost::work_through() {
    Lock lock(mutex_);
    while (!closed_) {
        if (!uncompiled_.empty()) {
            compile_one(lock);
        } else if (engine_->busy()) {
            look_after(lock);
        } else {
            rest(lock);
        }
    }
}

void LocalHost::compile_one(Lock& lock) {
    const KernelPtr kernel = uncompiled_.front().kernel;
    const auto known = pipelines_.find(kernel.get());
    std::shared_ptr<const Pipeline> pipeline;
    std::optional<Error> error;
    if (known != pipelines_.end()) {
        pipeline = known->second.pipeline;
    } else {
        Pipelines& pipelines = engine_->pipelines();
        lock.unlock();
        Result<std::shared_ptr<const Pipeline>> made =
            pipelines.get(kernel->words, kernel->interface);
        lock.lock();
        if (made) {
            if (pipelines_.size() >= pipelines_max) {
                pipelines_.clear();  // those that are used come back from the cache behind
            }
            pipelines_[kernel.get()] = {kernel, *made};
            pipeline = *std::move(made);
        } else {
            error = std::move(made).error();
        }
    }
    if (uncompiled_.empty() || uncompiled_.front().kernel != kernel) {
        return;  // it was withdrawn meanwhile
    }
    Work work = std::move(uncompiled_.front());
    uncompiled_.pop_front();
    if (error) {
        ended_.emplace_back(work.id, Ended{.how = Ended::How::failed, .error = *error});
    } else {
        engine_->submit(job_of(std::move(work), std::move(pipeline)));
    }
    deliver(lock);
    lock.lock();
}

void LocalHost::look_after(Lock& lock) {
    const bool streams = row_ >= stream && base::now() - last_start_ < stream_pause;
    if ((streams || helpers_ != 0) && !hangs()) {  // they do it
        wake_.wait_for(lock, streams ? held_max : nap);
        return;
    }
    engine_->advance();
    if (hangs()) {
        engine_->leave(Error(Domain::gpu, Code::driver_failed, Fault::node,
                             "the GPU has worked at a dispatch for " +
                                 base::in_words(options_.dispatch_time_max) +
                                 " and was given up: see that its kernels end"));
    }
    const Engine& engine = *engine_;
    const std::uint64_t submission = engine.lost() ? 0 : engine.awaited();
    deliver(lock);
    if (submission != 0) {
        wait_for_device(engine, submission);
    }
    lock.lock();
    callers_help_ = callers_help_ && helpers_ != 0;
}

void LocalHost::rest(Lock& lock) {
    drop_imports();
    const base::BootTime idle = base::now() - last_work_;
    if (idle >= rest_after && engine_->pipelines().compiled() != saved_) {
        lock.unlock();
        save_pipelines();
        lock.lock();
        return;  // there may be work by now
    }
    resting_ = true;
    if (idle < rest_after) {
        wake_.wait_for(lock, nap);
    } else {
        callers_help_ = false;
        wake_.wait(lock, [&] { return closed_ || !uncompiled_.empty() || engine_->busy(); });
    }
    resting_ = false;
}

void LocalHost::save_pipelines() {
    const Pipelines& pipelines = engine_->pipelines();
    saved_ = pipelines.compiled();
    kept_.save(pipelines.saved());
}

bool LocalHost::hangs() const noexcept {
    const std::optional<base::BootTime> since = engine_->busy_since();
    return since && base::now() - *since > options_.dispatch_time_max;
}

void LocalHost::close() {
    {
        Lock lock(mutex_);
        if (!closed_) {
            closed_ = true;
            wake_.notify_one();
        }
    }
    if (!thread_.joinable()) {
        return;
    }
    thread_.join();
    if (!engine_->lost() && engine_->pipelines().compiled() != saved_) {
        save_pipelines();
    }
    Lock lock(mutex_);
    for (Work& work : std::exchange(uncompiled_, {})) {
        ended_.emplace_back(work.id,
                            Ended{.how = Ended::How::not_begun, .error = shut_down_error()});
    }
    const base::BootTime end = base::now() + end_patience;
    while (engine_->advance() && base::now() < end) {
        engine_->wait(engine_->awaited(), nap);
    }
    if (!engine_->lost()) {
        engine_->leave(shut_down_error());
    }
    deliver(lock);
}

Memory::Use LocalHost::memory_use() {
    const Lock lock(mutex_);
    return engine_->memory().use();
}

}  // namespace repartir::gpu

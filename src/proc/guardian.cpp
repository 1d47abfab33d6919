// SPDX-License-Identifier: MIT
#include "proc/guardian.hpp"

#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <new>

#include "base/os_error.hpp"
#include "proc/guardian_child.hpp"
#include "proc/raw.hpp"

namespace repartir::proc {
namespace {

constexpr std::size_t stack_bytes = 32UL << 10U;

// Finds the mapped file (the program, or the shared library) that guardian_child is in.
struct Image {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
};

int look_at_image(dl_phdr_info* info, std::size_t /*size*/, void* out) {
    // SAFETY: an address is compared, never called or read.
    const auto code = reinterpret_cast<std::uintptr_t>(&guardian_child);
    Image image{.begin = UINTPTR_MAX, .end = 0};
    bool found = false;
    for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        if (segment.p_type == PT_LOAD) {
            const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
            const std::uintptr_t end = begin + segment.p_memsz;
            image.begin = std::min(image.begin, begin);
            image.end = std::max(image.end, end);
            found = found || (begin <= code && code < end);
        }
    }
    if (found) {
        *static_cast<Image*>(out) = image;
    }
    return found ? 1 : 0;
}

// Clones a copy of this process that runs guardian_child on a stack of its own. No exit signal: the
// host program's SIGCHLD handling never sees it.
REPARTIR_RAW __attribute__((noinline)) long clone_guardian(void* stack_end, int* pidfd,
                                                           GuardianPlan* plan) noexcept {
    const std::uint64_t before = raw::set_blocked(~0ULL);
    const long result =
        raw::clone_call(SYS_clone, CLONE_PIDFD, raw::address(static_cast<char*>(stack_end)),
                        raw::address(pidfd), guardian_child, plan);
    raw::set_blocked(before);
    return result;
}

// @return whether all of it has room.
bool name_cgroups(const CgroupsOfOurs& from, GuardedCgroups& to) noexcept {
    if (from.prefix.size() >= sizeof(to.prefix) ||
        from.folders.size() > GuardedCgroups::folders_max) {
        return false;
    }
    for (std::size_t i = 0; i < from.folders.size(); ++i) {
        if (from.folders[i].size() >= sizeof(to.folders[i])) {
            return false;
        }
        from.folders[i].copy(to.folders[i], sizeof(to.folders[i]));
    }
    from.prefix.copy(to.prefix, sizeof(to.prefix));
    return true;
}

}  // namespace

GuardSlot& GuardSlot::operator=(GuardSlot&& other) noexcept {
    std::swap(guardian_, other.guardian_);
    std::swap(entry_, other.entry_);
    return *this;
}

GuardSlot::~GuardSlot() {
    if (entry_ != nullptr) {
        clear();
        guardian_->release(*entry_);
    }
}

void GuardSlot::clear() noexcept {
    if (entry_ != nullptr) {
        std::atomic_ref(*entry_).store(0);
    }
}

Result<std::unique_ptr<Guardian>> Guardian::create(std::size_t slots,
                                                   const CgroupsOfOurs& cgroups) {
    std::unique_ptr<Guardian> guardian(new Guardian);
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t bytes = stack_bytes + sizeof(GuardianPlan) + slots * sizeof(std::uint64_t);
    guardian->region_bytes_ = (bytes + page - 1) / page * page;
    void* region = ::mmap(nullptr, guardian->region_bytes_, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) {
        return fail(base::os_error(Domain::process, "cannot map the guardian's table", errno));
    }
    guardian->region_ = region;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(base::os_error(Domain::process, "cannot make the guardian's pipe", errno));
    }
    const base::Fd reader(ends[0]);
    guardian->pipe_ = base::Fd(ends[1]);
    const base::Fd ourselves(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!ourselves) {
        return fail(base::os_error(Domain::process, "cannot watch this process (pidfd)", errno));
    }
    if (Result<void> started = guardian->start(slots, cgroups, reader.get(), ourselves.get());
        !started) {
        return fail(std::move(started.error()));
    }
    return guardian;
}

Result<void> Guardian::start(std::size_t slots, const CgroupsOfOurs& cgroups, int pipe,
                             int parent) {
    char* const after_stack = static_cast<char*>(region_) + stack_bytes;
    auto* const plan = new (after_stack) GuardianPlan;
    plan->pipe = pipe;
    plan->parent = parent;
    plan->slots = slots;
    if (!name_cgroups(cgroups, plan->cgroups)) {
        return fail(Error(Domain::process, Code::too_large, Fault::user,
                          "the path of the cgroup that this process is in is too long"));
    }
    entries_ = new (after_stack + sizeof(GuardianPlan)) std::uint64_t[slots]();
    plan->entries = entries_;
    terminal_ = &plan->terminal;
    Image image;
    ::dl_iterate_phdr(look_at_image, &image);
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    plan->image_begin = image.begin / page * page;
    plan->image_end = (image.end + page - 1) / page * page;
    // SAFETY: the region's bounds as numbers, for munmap of everything else.
    plan->region_begin = reinterpret_cast<std::uintptr_t>(region_);
    plan->region_end = plan->region_begin + region_bytes_;
    if (__rseq_size != 0) {
        plan->rseq = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
    }
    free_.reserve(slots);
    for (std::size_t i = slots; i-- > 0;) {
        free_.push_back(static_cast<std::uint32_t>(i));
    }
    int pidfd = -1;
    const long pid = clone_guardian(after_stack, &pidfd, plan);
    if (pid < 0) {
        return fail(base::os_error(Domain::process, "cannot start the guardian process",
                                   static_cast<int>(-pid)));
    }
    owner_ = ::getpid();
    pid_ = static_cast<pid_t>(pid);
    pidfd_ = base::Fd(pidfd);
    return {};
}

Guardian::~Guardian() {
    if (pidfd_ && owner_ == ::getpid()) {
        raw::call(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL);
        siginfo_t ignored{};
        while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ignored, WEXITED | __WALL) !=
                   0 &&
               errno == EINTR) {}
    }
    if (region_ != nullptr) {
        ::munmap(region_, region_bytes_);
    }
}

Result<GuardSlot> Guardian::acquire() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
        return fail(Error(Domain::process, Code::out_of_resources, Fault::system,
                          "the guardian's table is full: too many tasks at once"));
    }
    std::uint64_t& entry = entries_[free_.back()];
    free_.pop_back();
    return GuardSlot(*this, entry);
}

void Guardian::release(std::uint64_t& entry) noexcept {
    const std::lock_guard lock(mutex_);
    free_.push_back(static_cast<std::uint32_t>(&entry - entries_));  // reserved at the start
}

void Guardian::remember_terminal() noexcept {
    const base::Fd terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    const pid_t ours = ::getpgrp();
    forget_terminal();
    if (terminal && ::tcgetpgrp(terminal.get()) == ours &&
        raw::call(SYS_ioctl, terminal.get(), TCGETS, raw::address(terminal_->modes)) == 0) {
        std::atomic_ref(terminal_->group).store(ours);
    }
}

void Guardian::forget_terminal() noexcept { std::atomic_ref(terminal_->group).store(0); }

bool Guardian::alive() const noexcept {
    pollfd state{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&state, 1, 0) == 0;
}

}  // namespace repartir::proc

// SPDX-License-Identifier: MIT
#include "proc/child.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <utility>

namespace repartir::proc {
namespace {

// __WALL: a child that was killed before exec has no exit signal.
constexpr int how_to_wait = WEXITED | __WALL;

std::chrono::microseconds duration_of(const timeval& time) noexcept {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// Waits for a child that has ended, or is sure to. @param flags how_to_wait, and WNOWAIT to leave
// it there
Exit wait_for(int pidfd, int flags, base::BootTime now) noexcept {
    siginfo_t info{};
    rusage usage{};
    long result = 0;
    do {
        // The C library's waitid has no rusage argument; the kernel's has.
        result = ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, flags, &usage);
    } while (result != 0 && errno == EINTR);
    Exit exit;
    exit.at = now;
    if (result != 0) {
        exit.lost = true;
        return exit;
    }
    exit.signaled = info.si_code != CLD_EXITED;
    exit.core_dumped = info.si_code == CLD_DUMPED;
    exit.code = info.si_status;
    exit.user = duration_of(usage.ru_utime);
    exit.system = duration_of(usage.ru_stime);
    exit.max_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
    return exit;
}

}  // namespace

// One process of the group. The leader stays a zombie until the group is finished.
class ChildGroup::Member final : public loop::Handler {
  public:
    Member(ChildGroup& group, std::size_t index) noexcept : group_(group), index_(index) {}
    ~Member() override { assert(!pidfd_); }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    Result<void> watch(base::Fd pidfd) {
        pidfd_ = std::move(pidfd);
        return group_.loop_.add(pidfd_.get(), EPOLLIN, *this);
    }
    void on_event(std::uint32_t /*events*/) noexcept override {
        group_.loop_.remove(*this);
        const bool leader = index_ == 0;
        const Exit exit =
            wait_for(pidfd_.get(), how_to_wait | (leader ? WNOWAIT : 0), group_.loop_.now());
        if (!leader) {
            pidfd_.reset();
        }
        group_.member_ended(index_, exit);
    }
    // Waits until it has ended, and forgets it. Nothing when that has been done.
    void reap() noexcept {
        group_.loop_.remove(*this);
        if (pidfd_) {
            wait_for(pidfd_.get(), how_to_wait, base::BootTime(0));
            pidfd_.reset();
        }
    }
    [[nodiscard]] bool stopped() const noexcept {
        siginfo_t info{};
        return watching() &&
               ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info,
                        WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid != 0;
    }

  private:
    ChildGroup& group_;
    base::Fd pidfd_;
    std::size_t index_;
};

ChildGroup::ChildGroup(loop::Loop& loop, Observer& observer, std::chrono::milliseconds linger)
    : loop_(loop), observer_(observer), linger_(linger) {}

ChildGroup::~ChildGroup() {
    loop_.cancel(*this);
    if (running()) {
        clear_group();
    }
}

Result<void> ChildGroup::adopt(Spawned child) {
    if (member_count_ == members_.size()) {
        members_.push_back(std::make_unique<Member>(*this, member_count_));
    }
    if (member_count_ == 0) {
        group_id_ = child.pid;
    }
    Member& member = *members_[member_count_];
    ++member_count_;
    if (Result<void> watched = member.watch(std::move(child.pidfd)); !watched) {
        ::kill(child.pid, SIGKILL);
        member.reap();
        --member_count_;
        if (member_count_ == 0) {
            guard_.clear();
            group_id_ = 0;
        }
        return watched;
    }
    ++alive_;
    return {};
}

void ChildGroup::attach(PipeReader& reader) { readers_.push_back(&reader); }

void ChildGroup::reader_ended(PipeReader& reader) noexcept {
    if (std::erase(readers_, &reader) != 0) {
        check_end();
    }
}

void ChildGroup::member_ended(std::size_t index, const Exit& exit) noexcept {
    --alive_;
    leader_lost_ = leader_lost_ || (index == 0 && exit.lost);
    observer_.on_exit(*this, index, exit);
    check_end();
}

// Decides, when all processes have ended, whether to wait for those who still hold the pipes.
void ChildGroup::check_end() noexcept {
    if (alive_ != 0 || !running() || finishing_) {
        return;
    }
    if (readers_.empty()) {
        finish();
    } else if (!lingering_) {
        lingering_ = true;
        const base::BootTime linger = killed_ ? base::BootTime(0) : base::BootTime(linger_);
        loop_.set(*this, std::min(kill_at_, loop_.now() + linger));
    }
}

void ChildGroup::on_timer(base::BootTime /*now*/) noexcept {
    kill();
    if (lingering_) {
        finish();
    }
}

void ChildGroup::signal(int number) noexcept {
    if (running() && !leader_lost_) {
        ::kill(-group_id_, number);  // the id is ours: its leader has not been reaped
    }
}

void ChildGroup::kill() noexcept {
    killed_ = true;
    signal(SIGKILL);
}

void ChildGroup::terminate(std::chrono::milliseconds grace) noexcept {
    if (!running()) {
        return;
    }
    const base::BootTime kill_at = base::later(loop_.now(), grace);
    if (kill_at < kill_at_) {
        kill_at_ = kill_at;
        loop_.set(*this, lingering_ ? std::min(kill_at, deadline()) : kill_at);
    }
    if (std::exchange(told_, true)) {
        return;  // many programs take a second one for a wish to end at once
    }
    signal(SIGTERM);
    signal(SIGCONT);  // a stopped process acts on SIGTERM only when it goes on
}

bool ChildGroup::stopped() const noexcept {
    return std::any_of(members_.begin(),
                       members_.begin() + static_cast<std::ptrdiff_t>(member_count_),
                       [](const auto& member) { return member->stopped(); });
}

// Kills what is left of the group, takes it off the guardian's table and then, last, reaps the
// leader.
void ChildGroup::clear_group() noexcept {
    kill();
    for (std::size_t i = member_count_; i-- > 1;) {
        members_[i]->reap();
    }
    guard_.clear();
    members_[0]->reap();
    member_count_ = alive_ = 0;
    group_id_ = 0;
    kill_at_ = base::never;
    killed_ = told_ = lingering_ = leader_lost_ = false;
}

void ChildGroup::finish() noexcept {
    finishing_ = true;
    loop_.cancel(*this);
    kill();
    // What the task wrote before it ended is in the pipes by now; an escaped process that writes on
    // is not waited for. A sink may end its reader from in here.
    while (!readers_.empty()) {
        PipeReader& reader = *readers_.back();
        readers_.pop_back();
        reader.drain();
        reader.finish();
    }
    clear_group();
    finishing_ = false;
    observer_.on_ended(*this);
}

}  // namespace repartir::proc

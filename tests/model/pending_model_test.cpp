// SPDX-License-Identifier: MIT
// The protocol of a Pending's state that ships: who runs, who writes, who tells, who destroys.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "atomics.hpp"
#include "repartir/detail/state_word.hpp"

namespace repartir::model {
namespace {

/// What the threads do, a letter a thread:
///   'r' a worker runs the work, unless somebody came first, and gives up its ownership with it
///   'k' the same, but keeps it until afterwards
///   'c' a cancellation resolves it, if nobody has begun it, and else overtakes it
///   'p' a producer that is no function's runner resolves it
///   'w' the consumer waits, and reads the result
///   'a' the consumer attaches a continuation
///   'd' the same, and tries to take it back
template <class Rule>
class PendingModel {
  public:
    explicit PendingModel(const std::string& threads)
        : word_(std::in_place, static_cast<std::uint32_t>(threads.size())) {}

    void act(char what) {
        switch (what) {
            case 'r':
            case 'k':
                if (word_->claim_start()) {
                    ++ran_;
                    if (finish(what == 'r')) {
                        return;
                    }
                }
                break;
            case 'c':
                if (word_->claim_unstarted()) {
                    resolve(2);
                } else if (std::uint32_t left = 0; word_->overtake(Word::cancelled, left)) {
                    ++results_;
                    tell(left);
                }
                break;
            case 'p':
                if (word_->claim()) {
                    resolve(3);
                }
                break;
            case 'w':
                word_->await([](const auto& word, std::uint32_t value) {
                    Atomics<Rule>::wait_while(word, value);
                    return true;
                });
                require(see_result(), "who waited sees the result");
                break;
            default:
                attach(what == 'd');
        }
        if (word_->release()) {
            destroy();
        }
    }

    void check(const std::string& threads) const {
        require(destroyed_ == 1, "the last owner destroys it, once");
        require(ran_ <= 1, "the work runs once at most");
        require(results_ == 1, "there is one result");
        if (threads.find('a') != std::string::npos) {
            require(posted_ == 1, "the continuation is posted once");
        }
        if (threads.find('d') != std::string::npos) {
            require(posted_ == (taken_back_ ? 0 : 1), "it is taken back or posted");
        }
    }

  private:
    /// @return whether the ownership was given up.
    bool finish(bool give_up) {
        result_.set(1);
        const std::uint32_t left = word_->finish(give_up);
        if (left == Word::drop_result) {
            result_.set(0);  // the runner's own until it gives up its ownership
            return false;
        }
        ++results_;
        if (left == Word::destroy) {
            destroy();
        } else {
            tell(left);
        }
        return give_up && (left == 0 || left == Word::destroy);
    }
    void resolve(int result) {
        ++results_;
        result_.set(result);
        tell(word_->publish());
    }
    void tell(std::uint32_t left) {
        if ((left & Word::waiting) != 0) {
            Atomics<Rule>::wake_all(word_->word());
        }
        if ((left & Word::linked) != 0) {
            post();
        }
    }
    bool see_result() { return word_->overtaken() == Word::cancelled || result_.get() != 0; }
    void destroy() {
        ++destroyed_;
        result_.set(-1);
        word_.reset();
    }
    void attach(bool and_detach) {
        continuation_.set(7);
        if (!word_->attach()) {
            post();
        }
        taken_back_ = and_detach && word_->detach();
    }
    void post() {
        require(continuation_.get() == 7, "who posts the continuation sees it whole");
        require(see_result(), "a continuation sees the result");
        ++posted_;
    }

    using Word = detail::StateWord<Atomics<Rule>>;
    std::optional<Word> word_;
    Plain<int> result_;
    Plain<int> continuation_;
    int ran_ = 0;
    int results_ = 0;
    int posted_ = 0;
    int destroyed_ = 0;
    bool taken_back_ = false;
};

template <class Rule>
Report explore_pending(const std::string& threads, const Options& options = {}) {
    std::unique_ptr<PendingModel<Rule>> pending;
    return explore({[&] {
                        pending = std::make_unique<PendingModel<Rule>>(threads);
                        std::vector<std::function<void()>> bodies;
                        for (const char what : threads) {
                            bodies.emplace_back([&, what] { pending->act(what); });
                        }
                        return bodies;
                    },
                    [&] { pending->check(threads); }},
                   options);
}

class PendingModelTest : public testing::TestWithParam<const char*> {};
class PendingModelLong : public testing::TestWithParam<const char*> {};

void verify(const char* threads) {
    const Report report = explore_pending<Faithful>(threads);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST_P(PendingModelTest, OneResultReachesTheConsumer) { verify(GetParam()); }
TEST_P(PendingModelLong, OneResultReachesTheConsumer) { verify(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Quick, PendingModelTest,
                         testing::Values("r", "k", "rw", "kw", "ra", "ka", "rd", "kd", "pw", "pd",
                                         "ppa", "cw", "rc", "kc"),
                         [](const auto& threads) { return std::string(threads.param); });
INSTANTIATE_TEST_SUITE_P(Long, PendingModelLong,
                         testing::Values("rca", "rcd", "rcw", "kcw", "rcc", "rrw"),
                         [](const auto& threads) { return std::string(threads.param); });

TEST(PendingModelBounded, ThreePartiesWithFewPreemptions) {
    for (const char* const threads : {"rca", "rcw", "kcd"}) {
        const Report report =
            explore_pending<Faithful>(threads, {.search = Search::bounded, .preemptions_max = 2});
        EXPECT_EQ(report.violation, "") << threads;
    }
}

struct RelaxedExchanges : Faithful {
    static std::memory_order exchange(std::memory_order) { return std::memory_order_relaxed; }
};
struct NoWake : Faithful {
    static constexpr bool has_wake = false;
};

TEST(WeakenedPending, IsCaught) {
    EXPECT_TRUE(explore_pending<RelaxedExchanges>("rw").violation.starts_with("data race"));
    EXPECT_TRUE(explore_pending<RelaxedExchanges>("ra").violation.starts_with("data race"));
    EXPECT_TRUE(explore_pending<NoWake>("rw").violation.starts_with("deadlock"));
}

}  // namespace
}  // namespace repartir::model

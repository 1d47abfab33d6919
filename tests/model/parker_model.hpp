// SPDX-License-Identifier: MIT
#pragma once
/// @file parker_model.hpp Little crews around the parker that ships, for the checker.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "atomics.hpp"
#include "repartir/detail/deque.hpp"
#include "sched/injector.hpp"
#include "sched/parker.hpp"

namespace repartir::model {

/// How a submitter publishes a task and tells the crew.
enum class Submit : std::uint8_t {
    counter,        ///< a seq_cst write, then notify()
    injector,       ///< Injector::try_push, then notify()
    after_release,  ///< a push to a deque, then notify_after_release()
    own,            ///< a push to a deque, then notify_own()
    inlet,          ///< a push to a deque, then notify() if must_notify()
};

/// What a crew leaves out, to see that it is missed.
enum class Flaw : std::uint8_t {
    none,
    look_once,   ///< does not look at the queue again after the announcement
    drop_duty,   ///< the last searcher does not care for more work
    look_first,  ///< the submitter looks for sleepers before it publishes
};

/// A crew whose workers loop as the comment of Parker says. A lost wake-up is a deadlock.
struct ParkerScenario {
    std::vector<int> submitters;  ///< tasks that each submits
    int workers = 1;
    /// 0: when all is submitted, submitter 0 stops the crew. Else each worker leaves after so many
    /// tasks, without a word: the protocol itself must have woken enough workers.
    int tasks_per_worker = 0;
    Submit submit = Submit::counter;
    bool asymmetric = true;
    Flaw flaw = Flaw::none;
};

/// The crew of one execution.
template <class Rule>
class ModelCrew {
  public:
    explicit ModelCrew(const ParkerScenario& scenario)
        : scenario_(scenario),
          parker_(static_cast<std::uint32_t>(scenario.workers), scenario.asymmetric) {}

    void submit(int tasks) {
        for (int task = 0; task < tasks; ++task) {
            if (scenario_.flaw == Flaw::look_first) {
                parker_.notify();
            }
            switch (scenario_.submit) {
                case Submit::counter:
                    work_.fetch_add(1, std::memory_order_seq_cst);
                    break;
                case Submit::injector:
                    require(injector_.try_push(1), "the injector is large enough");
                    break;
                default:
                    require(deque_.push(1), "a push finds memory");
            }
            if (scenario_.submit == Submit::own) {
                parker_.notify_own();
            } else if (scenario_.submit == Submit::inlet) {
                if (parker_.must_notify()) {
                    parker_.notify();
                }
            } else if (scenario_.submit == Submit::after_release) {
                parker_.notify_after_release();
            } else if (scenario_.flaw != Flaw::look_first) {
                parker_.notify();
            }
        }
    }

    void stop() {
        stopping_.store(1, std::memory_order_seq_cst);
        parker_.wake_all();
    }

    void work(std::uint32_t me) {
        for (int done = 0; scenario_.tasks_per_worker == 0 || done < scenario_.tasks_per_worker;) {
            if (!take()) {
                parker_.begin_search();
                if (!search(me)) {
                    return;
                }
            }
            ++ran;
            ++done;
        }
    }

    void check_quiet() const {
        int tasks = 0;
        for (const int some : scenario_.submitters) {
            tasks += some;
        }
        require(ran == tasks, "every task runs");
        const detail::ParkWord word(parker_.word().load());
        require(word.searching() == 0, "the count of searchers comes out even");
    }

    int ran = 0;

  private:
    /// @return false: the crew stops. Otherwise a task was taken.
    bool search(std::uint32_t me) {
        for (;;) {
            if (take()) {
                if (parker_.end_search() && scenario_.flaw != Flaw::drop_duty && any_work()) {
                    parker_.wake_one();
                }
                return true;
            }
            parker_.announce_sleep(me);
            const bool stops = stopping_.load(std::memory_order_seq_cst) != 0;
            const bool more = scenario_.flaw != Flaw::look_once && any_work();
            if (!more && !stops) {
                parker_.sleep(me);
                continue;
            }
            parker_.cancel_sleep(me);
            if (!more) {
                static_cast<void>(parker_.end_search());
                return false;
            }
            if (scenario_.submit == Submit::injector) {
                Checker::current().yield();  // a value that is claimed and not published yet
            }
        }
    }

    bool any_work() const {
        switch (scenario_.submit) {
            case Submit::counter:
                return work_.load(std::memory_order_seq_cst) > 0;
            case Submit::injector:
                return !injector_.empty();
            default:
                return !deque_.empty();
        }
    }

    bool take() {
        switch (scenario_.submit) {
            case Submit::counter:
                return work_.take_one();
            case Submit::injector:
                return injector_.try_pop().has_value();
            default:
                return deque_.steal().has_value();
        }
    }

    const ParkerScenario& scenario_;
    sched::Parker<Atomics<Rule>> parker_;
    sched::Injector<int, Atomics<Rule>> injector_{2};
    // These are not what is checked here: they keep their orders under every Rule.
    Atomics<>::atomic<int> work_{0};
    Atomics<>::atomic<int> stopping_{0};
    detail::WorkDeque<int, Atomics<>> deque_{4};
};

/// Checks under `Rule`'s atomics: every task runs, nobody sleeps for ever.
template <class Rule>
Report explore_parker(const ParkerScenario& scenario, const Options& options) {
    std::unique_ptr<ModelCrew<Rule>> crew;
    return explore({[&] {
                        crew = std::make_unique<ModelCrew<Rule>>(scenario);
                        std::vector<std::function<void()>> bodies;
                        for (const int tasks : scenario.submitters) {
                            bodies.emplace_back([&, tasks, first = bodies.empty()] {
                                crew->submit(tasks);
                                if (first && scenario.tasks_per_worker == 0) {
                                    crew->stop();
                                }
                            });
                        }
                        for (int worker = 0; worker < scenario.workers; ++worker) {
                            bodies.emplace_back(
                                [&, worker] { crew->work(static_cast<std::uint32_t>(worker)); });
                        }
                        return bodies;
                    },
                    [&] { crew->check_quiet(); }},
                   options);
}

}  // namespace repartir::model

// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"
#include "repartir/task_group.hpp"
#include "sched/crew_fixture.hpp"

namespace repartir::detail {
namespace {

/// What one submitted function went through.
struct Fate {
    std::atomic<int> runs{0};
    std::atomic<int> ends{0};     // destructions of the callable
    std::atomic<int> answers{0};  // results that reached a callback or get()
    std::atomic<bool> value{false};
};

/// Counts the end of the callable that holds it.
class Witness {
  public:
    explicit Witness(Fate& fate) : fate_(&fate) {}
    Witness(Witness&& other) noexcept : fate_(std::exchange(other.fate_, nullptr)) {}
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;
    Witness& operator=(Witness&&) = delete;
    ~Witness() {
        if (fate_ != nullptr) {
            ++fate_->ends;
        }
    }

  private:
    Fate* fate_;
};

enum class Step : std::uint8_t { keep, get, cancel, drop, detach, on_ready, nested, high, low };

void answer(Fate& fate, const Result<int>& result) {
    ++fate.answers;
    fate.value = result.has_value();
}

void act(Crew& crew, Step step, Fate& fate, std::vector<std::pair<Fate*, Pending<int>>>& kept) {
    const Priority priority = step == Step::high  ? Priority::high
                              : step == Step::low ? Priority::low
                                                  : Priority::normal;
    auto pending = submit_function(
        crew,
        [&crew, &fate, step, witness = Witness(fate)] {
            ++fate.runs;
            if (step == Step::nested) {
                TaskGroup group(crew);
                group.run([&crew] {
                    static_cast<void>(submit_function(crew, [] {}, Priority::normal).get());
                });
                static_cast<void>(group.wait());
            }
            return 1;
        },
        priority);
    switch (step) {
        case Step::get:
            answer(fate, std::move(pending).get());
            return;
        case Step::cancel:
            pending.cancel();
            answer(fate, std::move(pending).get());
            return;
        case Step::drop:
            return;
        case Step::detach:
            std::move(pending).detach();
            return;
        case Step::on_ready:
            std::move(pending).on_ready(
                [&fate](const Result<int>& result) { answer(fate, result); });
            return;
        default:
            kept.emplace_back(&fate, std::move(pending));
    }
}

RC_GTEST_PROP(CrewProperty, EveryFunctionEndsExactlyOnce, ()) {
    const auto workers = *rc::gen::inRange<std::uint32_t>(1, 4);
    const auto capacity = *rc::gen::element<std::uint32_t>(4, 64, 100'000);
    const auto threads = *rc::gen::inRange<std::size_t>(1, 4);
    const bool drain = *rc::gen::arbitrary<bool>();
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 9));
    std::vector<std::vector<Fate>> fates;
    for (std::size_t t = 0; t < threads; ++t) {
        fates.emplace_back(steps.size());
    }
    {
        const std::unique_ptr<Crew> crew = make_crew(workers, capacity, OnFull::refuse, 2);
        std::vector<std::thread> submitters;
        for (std::size_t t = 0; t < threads; ++t) {
            submitters.emplace_back([&, t] {
                std::vector<std::pair<Fate*, Pending<int>>> kept;
                for (std::size_t i = 0; i < steps.size(); ++i) {
                    act(*crew, static_cast<Step>(steps[i]), fates[t][i], kept);
                }
                for (auto& [fate, pending] : kept) {
                    answer(*fate, std::move(pending).get());
                }
            });
        }
        if (steps.size() % 2 == 0) {  // shut down while they submit, or after
            static_cast<void>(crew->shutdown(drain ? Shutdown::drain : Shutdown::cancel));
        }
        for (std::thread& submitter : submitters) {
            submitter.join();
        }
        static_cast<void>(crew->shutdown(drain ? Shutdown::drain : Shutdown::cancel));
    }
    for (const std::vector<Fate>& of_thread : fates) {
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const Fate& fate = of_thread[i];
            const auto step = static_cast<Step>(steps[i]);
            RC_ASSERT(fate.ends == 1);
            RC_ASSERT(fate.runs <= 1);
            const bool heard = (step != Step::drop && step != Step::detach);
            RC_ASSERT(fate.answers == (heard ? 1 : 0));
            RC_ASSERT((!fate.value || fate.runs == 1));
        }
    }
}

RC_GTEST_PROP(CrewProperty, GroupsRunEveryChildOnce, ()) {
    const auto workers = *rc::gen::inRange<std::uint32_t>(1, 4);
    const auto shape = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 40));
    std::vector<std::atomic<int>> runs(shape.size());
    std::atomic<int> inner{0};
    int expected = 0;
    {
        const std::unique_ptr<Crew> crew = make_crew(workers, 100'000, OnFull::refuse, 2);
        TaskGroup group(*crew);
        for (std::size_t i = 0; i < shape.size(); ++i) {
            expected += shape[i];
            group.run([&, i] {
                ++runs[i];
                TaskGroup nested(*crew);
                for (int k = 0; k < shape[i]; ++k) {
                    nested.run([&] { ++inner; });
                }
                static_cast<void>(nested.wait());
            });
        }
        RC_ASSERT(group.wait().has_value());
    }
    for (const auto& count : runs) {
        RC_ASSERT(count == 1);
    }
    RC_ASSERT(inner == expected);
}

}  // namespace
}  // namespace repartir::detail

// SPDX-License-Identifier: MIT
#pragma once
/// @file detector.hpp Whether another machine is still there. Pure.
#include <chrono>
#include <cstdint>

#include "base/clock.hpp"

namespace repartir::core {

/// What is believed of a peer.
enum class Health : std::uint8_t {
    alive,      ///< heard of in time
    suspected,  ///< late: gets nothing new, loses nothing yet
    dead,       ///< so late that its work is given to others; only a new connection revives it
};

/// How patient a detector is.
struct Patience {
    base::BootTime interval = std::chrono::seconds(1);      ///< how often the peer is to be heard
    base::BootTime timeout_max = std::chrono::seconds(30);  ///< suspicion comes no later than this
};

/// Tells from when a peer was heard whether it is there. One owner at a time.
///
/// A failure detector that is eventually perfect (T. Chandra, S. Toueg, "Unreliable Failure
/// Detectors for Reliable Distributed Systems", J. ACM 43(2), 1996, section 6.2): a peer that has
/// crashed is suspected for ever; one that was suspected wrongly widens its timeout, so that in a
/// network whose delays stay below timeout_max the mistakes end. Before the first mistake the
/// timeout follows the gaps that were seen, as TCP's follows round trips (V. Jacobson, "Congestion
/// Avoidance and Control", SIGCOMM 1988, appendix A): mean + 4 deviations, no less than two
/// intervals. Death takes as long again as suspicion did, so that a pause costs a retry only when
/// it is long.
class Detector {
  public:
    /// The peer was heard just now, when it connected.
    Detector(const Patience& patience, base::BootTime now) noexcept;

    /// Anything arrived from the peer. A dead one stays dead.
    void heard(base::BootTime now) noexcept;
    /// @return what is believed at this time, which must not go back.
    Health ask(base::BootTime now) noexcept;
    /// @return when ask() may next have another answer; the past, once it is dead.
    [[nodiscard]] base::BootTime next() const noexcept;
    /// @return how long the peer may be silent before it is suspected.
    [[nodiscard]] base::BootTime timeout() const noexcept;
    /// @return how often it was suspected and then heard.
    [[nodiscard]] std::uint32_t mistakes() const noexcept { return mistakes_; }

  private:
    Patience patience_;
    base::BootTime last_;
    base::BootTime mean_;          // of the gaps
    base::BootTime deviation_{0};  // of the gaps from their mean
    base::BootTime widened_{0};    // by mistakes; never less again
    std::uint32_t mistakes_ = 0;
    Health health_ = Health::alive;
};

}  // namespace repartir::core

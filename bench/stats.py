# SPDX-License-Identifier: MIT
"""Medians, ratios with a bootstrap interval, and the verdict on a goal. Pure functions."""
import random
import statistics

RESAMPLES = 2000
CONFIDENCE = 0.95
REGRESSION = 1.10  # a figure that is more than 10% worse than before


def interval(pairs_count, statistic, seed=1):
    """The percentile bootstrap interval of `statistic(indices)` over pairs, fixed by seed."""
    source = random.Random(seed)
    population = range(pairs_count)
    values = sorted(statistic(source.choices(population, k=pairs_count)) for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    low = values[int(tail * (RESAMPLES - 1))]
    high = values[int((1 - tail) * (RESAMPLES - 1) + 0.5)]
    return low, high


def ratio(ours, peer):
    """Ratio of medians of two series measured in pairs: (ratio, low, high)."""
    count = min(len(ours), len(peer))

    def of(indices):
        return (statistics.median(ours[i] for i in indices)
                / statistics.median(peer[i] for i in indices))

    low, high = interval(count, of)
    return of(range(count)), low, high


def level(values):
    """The median of one series: (median, low, high)."""
    def of(indices):
        return statistics.median(values[i] for i in indices)

    low, high = interval(len(values), of)
    return of(range(len(values))), low, high


def verdict(low, high, limit, at_least=False):
    """'met', 'missed', or 'unresolved' when the interval straddles the limit."""
    if at_least:
        low, high, limit = -high, -low, -limit
    if high <= limit:
        return "met"
    return "missed" if low > limit else "unresolved"


def compare(old, new, at_least=False):
    """How a goal's figure moved: 'regression', 'unclear', 'better' or 'same'.

    Each is a dict with value, low and high. A regression is more than 10% worse with intervals
    apart; more than 10% worse with overlapping intervals is unclear.
    """
    if at_least:
        return "same" if new["value"] > 0 or old["value"] <= 0 else "regression"
    if old["value"] <= 0:
        return "same" if new["value"] <= 0 else "unclear"
    change = new["value"] / old["value"]
    if change > REGRESSION:
        return "regression" if new["low"] > old["high"] else "unclear"
    return "better" if change < 1 / REGRESSION and new["high"] < old["low"] else "same"

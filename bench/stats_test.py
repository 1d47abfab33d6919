#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of stats.py and report.py: medians, intervals, verdicts and comparisons."""
import unittest

import report
import stats


class Intervals(unittest.TestCase):
    """The bootstrap."""

    def test_a_constant_ratio_has_a_point_interval(self):
        value, low, high = stats.ratio([2.0] * 30, [4.0] * 30)
        self.assertEqual((value, low, high), (0.5, 0.5, 0.5))

    def test_the_interval_holds_the_ratio_and_repeats(self):
        ours = [10 + i % 7 for i in range(30)]
        peer = [20 + i % 5 for i in range(30)]
        value, low, high = stats.ratio(ours, peer)
        self.assertLessEqual(low, value)
        self.assertLessEqual(value, high)
        self.assertLess(low, high)
        self.assertEqual((value, low, high), stats.ratio(ours, peer))

    def test_more_pairs_narrow_the_interval(self):
        def width(count):
            series = [100 + (i * 37) % 11 for i in range(count)]
            _, low, high = stats.ratio(series, [100 + (i * 53) % 13 for i in range(count)])
            return high - low
        self.assertLess(width(300), width(10))


class Verdicts(unittest.TestCase):
    """Goals."""

    def test_below_above_and_across_the_limit(self):
        self.assertEqual(stats.verdict(0.8, 1.0, 1.0), "met")
        self.assertEqual(stats.verdict(1.01, 1.2, 1.0), "missed")
        self.assertEqual(stats.verdict(0.9, 1.1, 1.0), "unresolved")

    def test_at_least(self):
        self.assertEqual(stats.verdict(5, 9, 1, at_least=True), "met")
        self.assertEqual(stats.verdict(0, 0, 1, at_least=True), "missed")
        self.assertEqual(stats.verdict(0, 3, 1, at_least=True), "unresolved")

    def test_the_better_peer_is_the_judge(self):
        case = {"pairs": 3, "metric": "ns", "others_share": 0, "errors": {}, "contestants": {
            "repartir": {"samples": {"ns": [3.0, 3.0, 3.0]}},
            "slow": {"samples": {"ns": [9.0, 9.0, 9.0]}},
            "quick": {"samples": {"ns": [4.0, 4.0, 4.0]}}}}
        goal = {"id": "g", "text": "t", "case": "c", "kind": "ratio", "ours": "repartir",
                "peers": ["slow", "quick", "missing"], "limit": 0.5}
        result = report.judge_one(goal, case, {})
        self.assertEqual((result["peer"], result["value"], result["verdict"]),
                         ("quick", 0.75, "missed"))

    def test_an_absent_peer_is_named(self):
        case = {"pairs": 3, "metric": "ns", "others_share": 0, "errors": {}, "contestants": {
            "repartir": {"samples": {"ns": [3.0]}}}}
        goal = {"id": "g", "text": "t", "case": "c", "kind": "ratio", "ours": "repartir",
                "peers": ["tbb"], "limit": 0.5}
        result = report.judge_one(goal, case, {"tbb": "oneTBB is not installed"})
        self.assertEqual((result["verdict"], result["why"]), ("no peer", "oneTBB is not installed"))


class Comparisons(unittest.TestCase):
    """--compare."""

    @staticmethod
    def figure(value, spread=0.0):
        """A goal's result."""
        return {"value": value, "low": value - spread, "high": value + spread}

    def test_worse_by_more_than_a_tenth_is_a_regression(self):
        self.assertEqual(stats.compare(self.figure(1.0), self.figure(1.2)), "regression")
        self.assertEqual(stats.compare(self.figure(1.0), self.figure(1.05)), "same")

    def test_overlapping_intervals_are_unclear(self):
        moved = stats.compare(self.figure(1.0, 0.2), self.figure(1.2, 0.2))
        self.assertEqual(moved, "unclear")

    def test_better_and_lost_steals(self):
        self.assertEqual(stats.compare(self.figure(1.0), self.figure(0.5)), "better")
        self.assertEqual(stats.compare(self.figure(9), self.figure(0), at_least=True), "regression")
        self.assertEqual(stats.compare(self.figure(0), self.figure(0)), "same")


if __name__ == "__main__":
    unittest.main()

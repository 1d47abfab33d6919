# SPDX-License-Identifier: MIT
"""Judges goals and writes tables for people."""
import statistics

import stats


def case_line(case_id, case):
    """One line per case while it runs: the medians of its metric."""
    metric = case["metric"]
    parts = [f"{name} {pretty(one['medians'].get(metric))}"
             for name, one in case["contestants"].items()]
    line = f"{case_id} [{metric}, {case['pairs']} rounds]  " + "  ".join(parts)
    if case["others_share"] > 0.1:
        line += f"  (others used {case['others_share']:.0%} of the machine)"
    for name, why in case["errors"].items():
        line += f"\n  FAILED {name}: {why}"
    return line


def ratio_line(case):
    """The first contestant's median over each other's: lower is better for times, higher for
    rates."""
    medians = {name: one["medians"].get(case["metric"])
               for name, one in case["contestants"].items()}
    (ours, value), *others = [*medians.items()] or [("", None)]
    parts = [f"{name} {value / other:.2f}" for name, other in others if value and other]
    return f"  {ours} to: " + ", ".join(parts) if parts else "  nobody to compare with"


def pretty(value):
    """A figure with three significant digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def judge(goals, measured, absent):
    """Compares what was measured with every goal. Returns a list of dicts, one per goal."""
    return [judge_one(goal, measured.get(goal["case"]), absent) for goal in goals]


def judge_one(goal, case, absent):
    """One goal: its figure, interval and verdict, or why there is none."""
    result = {"id": goal["id"], "text": goal["text"], "limit": goal["limit"], "kind": goal["kind"],
              "case": goal["case"], "verdict": "not run"}
    if case is None:
        return result
    result.update(pairs=case["pairs"], others_share=case["others_share"])
    metric = goal.get("metric", case["metric"])
    ours = samples(case, goal["ours"], metric)
    if not ours:
        why = absent.get(goal["ours"], f"{goal['ours']} was not built")
        result["why"] = case["errors"].get(goal["ours"], why)
        return result
    if goal["kind"] == "ratio":
        present = {name: samples(case, name, metric) for name in goal["peers"]}
        present = {name: values for name, values in present.items() if values}
        if not present:
            result["verdict"] = "no peer"
            result["why"] = "; ".join(absent.get(name, f"{name} was not measured")
                                      for name in goal["peers"])
            return result
        best = min(present, key=lambda name: statistics.median(present[name]))
        value, low, high = stats.ratio(ours, present[best])
        result.update(peer=best, ours=statistics.median(ours),
                      theirs=statistics.median(present[best]))
    else:
        value, low, high = stats.level(ours)
    result.update(value=value, low=low, high=high,
                  verdict=stats.verdict(low, high, goal["limit"], goal["kind"] == "at_least"))
    return result


def samples(case, name, metric):
    """The series of a contestant's metric; empty where there is none."""
    return case["contestants"].get(name, {}).get("samples", {}).get(metric, [])


def table(document):
    """The goal table."""
    rows = [("goal", "limit", "measured", "95% interval", "peer", "verdict")]
    for goal in document["goals"]:
        if goal["verdict"] == "not run" and "why" not in goal:
            continue
        sign = ">=" if goal["kind"] == "at_least" else "<="
        figure = interval = "-"
        if "value" in goal:
            figure = pretty(goal["value"])
            interval = f"{pretty(goal['low'])} .. {pretty(goal['high'])}"
        rows.append((goal["text"], f"{sign} {goal['limit']:g}", figure, interval,
                     goal.get("peer", goal.get("why", "")[:40]), goal["verdict"]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["", *("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                   for row in rows)]
    lines.insert(2, "-" * min(160, sum(widths) + 2 * len(widths)))
    for why in document["absent"].values():
        lines.append(f"absent: {why}")
    few = sorted({f"{name} ({case['pairs']} rounds: {case['why_pairs']})"
                  for name, case in document["cases"].items() if case["why_pairs"]})
    lines.extend(f"fewer than 30 rounds: {text}" for text in few)
    return "\n".join(lines)


def compare(old, new):
    """How every goal moved since `old`. Returns (text, whether anything regressed)."""
    before = {goal["id"]: goal for goal in old["goals"] if "value" in goal}
    lines = ["", f"compared with {old['machine']['commit']} of {old['machine']['when']}:"]
    regressed = False
    for goal in new["goals"]:
        earlier = before.get(goal["id"])
        if earlier is None or "value" not in goal:
            continue
        moved = stats.compare(earlier, goal, goal["kind"] == "at_least")
        regressed = regressed or moved == "regression"
        if moved != "same":
            lines.append(f"  {moved}: {goal['text']}: {pretty(earlier['value'])} -> "
                         f"{pretty(goal['value'])}")
    if len(lines) == 2:
        lines.append("  nothing moved by more than 10%")
    return "\n".join(lines), regressed

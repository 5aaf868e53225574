"""The leaderboard that a `realtime` competition must have, from raw feed records and recorded answers alone. Python's standard library; no code of the node.

Usage: leaderboard.py FILE [CSV SUBJECT GRANULARITY_MS]      (FILE: JSON lines, - for standard input)

Each line of FILE is an object with a `kind`; times are epoch ms, lines may come in any order:
  {"kind":"rules", "end_ms", "started_ms", "windows":{name:hours}, "rank_by":name, "direction":"desc"|"asc"
                   [, "overall":{name:weight}, "floor":share, "tolerance_ms", "staleness":0.2, "granularity_ms", "scale":10000]}     once
  {"kind":"record", "subject", "final_ms", "close" [, "segment"]}    a candle's close, known from final_ms on
  {"kind":"output", "model", "scope", "subject", "due_ms", "resolve_ms", "value":number|null}    null: asked, but no valid answer
CSV is a file of candles with the columns ts (the open, epoch ms) and close; its rows become records of SUBJECT, final GRANULARITY_MS after ts.
Prints a JSON list in rank order: rank, model, value, windows, overall, predictions, participation, newcomer.
"""
import csv, json, sys
from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal

HOUR_MS = 3_600_000
lines = [json.loads(line) for line in (sys.stdin if sys.argv[1] == "-" else open(sys.argv[1])) if line.strip()]
if len(sys.argv) > 2:
    path, subject, granularity = sys.argv[2], sys.argv[3], int(sys.argv[4])
    lines += [{"kind": "record", "subject": subject, "final_ms": int(row["ts"]) + granularity, "close": float(row["close"])}
              for row in csv.DictReader(open(path))]
rules = next(line for line in lines if line["kind"] == "rules")
sign = -1 if rules["direction"] == "desc" else 1

series = defaultdict(list)
for record in lines:
    if record["kind"] == "record":
        series[record["subject"]].append((record["final_ms"], record["close"], record.get("segment", "")))
for records in series.values():
    records.sort()

def profit(subject, due, resolve):
    """The return from the last close known at `due` to the last known at `resolve`; None: there is no truth."""
    records = series[subject]
    found = [bisect_right(records, (at, float("inf"), "")) - 1 for at in (due, resolve)]
    if found[0] < 0 or records[-1][0] < resolve:
        return None
    (entry_at, entry, a), (exit_at, exit_, b) = (records[i] for i in found)
    limit = max(rules.get("staleness", 0.2) * (resolve - due), rules.get("granularity_ms", 0))
    if due - entry_at > limit or resolve - exit_at > limit or a != b or entry <= 0 or exit_ <= 0:
        return None
    return (exit_ - entry) / entry

rounds, scores = defaultdict(list), defaultdict(list)    # model -> [(resolve, value or None, answered)]
for output in lines:
    if output["kind"] == "output":
        rounds[output["scope"], output["due_ms"]].append(output)
for outputs in rounds.values():
    resolve = outputs[0]["resolve_ms"]
    truth = profit(outputs[0]["subject"], outputs[0]["due_ms"], resolve) if resolve < rules["end_ms"] else None
    if truth is not None:
        values = {o["model"]: o["value"] * truth * rules.get("scale", 10_000) for o in outputs if o["value"] is not None}
        worst = max(values.values(), key=lambda v: sign * v, default=None)
        for o in outputs:
            scores[o["model"]].append((resolve, values.get(o["model"], worst), o["value"] is not None))

weights = rules.get("overall") or dict.fromkeys(rules["windows"], 1)
counting = weights if rules["rank_by"] == "overall" else {rules["rank_by"]: 1}
span = max(rules["windows"][name] for name, weight in counting.items() if weight > 0) * HOUR_MS
rows = []
for model, own in scores.items():
    windows = {}
    for name, hours in rules["windows"].items():
        counted = [v for at, v, _ in own if at >= rules["end_ms"] - hours * HOUR_MS and v is not None]
        windows[name] = float(sum(Decimal(repr(v)) for v in counted)) / len(counted) if counted else None
    parts = [(windows[name], weight) for name, weight in weights.items() if weight > 0]
    overall = None if any(v is None for v, _ in parts) else sum(v * w for v, w in parts) / sum(w for _, w in parts)
    value = overall if rules["rank_by"] == "overall" else windows[rules["rank_by"]]
    recent = [answered for at, _, answered in own if at >= rules["end_ms"] - span]
    participation = sum(recent) / len(recent) if recent else None
    new = min(at for at, _, _ in own) - max(rules["started_ms"], rules["end_ms"] - span) > rules.get("tolerance_ms", 0)
    below = participation is not None and participation < rules.get("floor", 0)
    rows.append({"key": (4, 0) if value is None else (2 * new + below, sign * value), "model": model, "value": value, "windows": windows,
                 "overall": overall, "participation": participation, "newcomer": new, "predictions": sum(v is not None for _, v, _ in own)})
rows.sort(key=lambda row: (row["key"], row["model"]))
for i, row in enumerate(rows):
    row["rank"] = rows[i - 1]["rank"] if i and rows[i - 1]["key"] == row["key"] else i + 1
print(json.dumps([{k: v for k, v in row.items() if k != "key"} for row in rows], indent=1))

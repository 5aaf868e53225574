"""What a backtest found: one row per question, and the leaderboard's means."""
from decimal import Context

from .times import HOUR_MS, epoch_ms

WINDOWS = (("score_recent", 24), ("score_steady", 72), ("score_anchor", 168))
STATUSES = ("SCORED", "FAILED", "UNRESOLVABLE", "MISSED")
_EXACT = Context(prec=2000)  # enough for any sum of doubles


class Backtest:
    """`rows`: {"scope_key", "due_ms", "resolved_ms", "status", and "result" (the score) or "reason"}."""

    def __init__(self, end_ms, unit="", windows=WINDOWS, extra=()):
        self.rows = []
        self.end_ms = end_ms
        self.windows = windows
        self._unit = unit
        self._extra = extra

    @property
    def metrics(self):
        """Means of the scores resolved in the last 24, 72 and 168 hours up to the newest one, in all and `by_scope`, and counts. A failed
        answer is not in them; live it gets the worst score of its round."""
        return self._metrics(max((row["resolved_ms"] for row in self._scored()), default=self.end_ms - 1) + 1)

    def metrics_at(self, end):
        """The same as the live leaderboard of the scoring window that ends at `end` has them: to the last digit, if no answer failed."""
        return self._metrics(epoch_ms(end))

    def summary(self):
        """The metrics as a table, with the first reason of each kind of failure."""
        metrics = self.metrics
        lines = [f"{'question':24}" + "".join(f"{name:>16}" for name, _ in self.windows)]
        for key, values in [("all", metrics), *metrics["by_scope"].items()]:
            lines.append(f"{key:24}" + "".join(f"{_text(values[name]):>16}" for name, _ in self.windows))
        counts = ", ".join(f"{metrics[status.lower()]} {status.lower()}" for status in STATUSES)
        extra = "".join(f"; {name.replace('_', ' ')} {_text(metrics[name])}" for name in self._extra)
        lines.append(f"{counts}{extra} ({self._unit})")
        for status in STATUSES[1:]:
            reason = next((row["reason"] for row in self.rows if row["status"] == status), None)
            if reason:
                lines.append(f"first {status}: {reason}")
        return "\n".join(lines)

    def _scored(self):
        return [row for row in self.rows if row["status"] == "SCORED"]

    def _metrics(self, end_ms):
        scored = [row for row in self._scored() if row["resolved_ms"] < end_ms]
        keys = sorted({row["scope_key"] for row in scored})
        scopes = [[row for row in scored if row["scope_key"] == key] for key in keys]
        found = {name: _mean(scopes, end_ms, hours) for name, hours in self.windows}
        found["by_scope"] = {
            key: {name: _mean([own], end_ms, hours) for name, hours in self.windows} for key, own in zip(keys, scopes)
        }
        for name in self._extra:
            found[name] = _exact_sum(row["result"][name] for row in scored) / len(scored) if scored else None
        for status in STATUSES:
            found[status.lower()] = sum(row["status"] == status for row in self.rows)
        return found


def _mean(scopes, end_ms, hours):
    """The sum of each question is exact, then they are added in the order of their names: as the node does it."""
    total, count = 0.0, 0
    for rows in scopes:
        values = [row["result"]["value"] for row in rows if row["resolved_ms"] >= end_ms - hours * HOUR_MS]
        total = total + _exact_sum(values)
        count += len(values)
    return total / count if count else None


def _exact_sum(values):
    """By the shortest text of each double, in decimals: the same in any order."""
    total = _EXACT.create_decimal(0)
    for value in values:
        total = _EXACT.add(total, _EXACT.create_decimal(repr(float(value))))
    return float(total)


def _text(value):
    return "-" if value is None else f"{value:.4f}"

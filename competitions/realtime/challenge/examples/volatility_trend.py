"""A trend, trusted less the noisier the market is."""
from math import log, sqrt
from statistics import fmean, pstdev

from tracker import TrackerBase


class VolatilityTrend(TrackerBase):
    LOOKBACK = 30

    def __init__(self):
        self.returns = {}

    def tick(self, data):
        closes = [float(c["close"]) for c in self.candles(data)[-self.LOOKBACK - 1:]]
        self.returns[data.get("symbol")] = [log(b / a) for a, b in zip(closes, closes[1:]) if a > 0 and b > 0]

    def predict(self, subject, resolve_horizon_seconds=60, step_seconds=15):
        returns = self.returns.get(subject, [])
        if len(returns) < 3:
            return {"value": 0.0}
        mean, noise = fmean(returns), pstdev(returns)
        if noise == 0:
            return {"value": mean}
        strength = max(-1.0, min(1.0, mean / noise * sqrt(len(returns)) / 2))
        return {"value": abs(strength) * mean}

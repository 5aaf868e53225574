"""Expects the price to return towards its recent mean."""
from statistics import fmean

from tracker import TrackerBase


class MeanReversion(TrackerBase):
    LOOKBACK = 20
    PULL = 0.25

    def __init__(self):
        self.closes = {}

    def tick(self, data):
        candles = self.candles(data)
        if candles:
            self.closes[data.get("symbol")] = [float(c["close"]) for c in candles[-self.LOOKBACK:]]

    def predict(self, subject, resolve_horizon_seconds=60, step_seconds=15):
        closes = self.closes.get(subject, [])
        if len(closes) < 2 or closes[-1] <= 0:
            return {"value": 0.0}
        return {"value": self.PULL * (fmean(closes) / closes[-1] - 1)}

"""Follows the recent move: what rose goes on rising, a little."""
from tracker import TrackerBase


class Momentum(TrackerBase):
    LOOKBACK = 10
    SHARE = 0.1

    def __init__(self):
        self.closes = {}

    def tick(self, data):
        candles = self.candles(data)
        if candles:
            self.closes[data.get("symbol")] = [float(c["close"]) for c in candles[-self.LOOKBACK - 1:]]

    def predict(self, subject, resolve_horizon_seconds=60, step_seconds=15):
        closes = self.closes.get(subject, [])
        if len(closes) < 2 or closes[0] <= 0:
            return {"value": 0.0}
        per_candle = (closes[-1] / closes[0] - 1) / (len(closes) - 1)
        return {"value": self.SHARE * per_candle * len(closes)}

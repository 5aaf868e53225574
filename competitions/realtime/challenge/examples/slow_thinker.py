"""Thinks long about every seventh question: shows what a late answer does (nothing to the others)."""
import time

from tracker import TrackerBase


class SlowThinker(TrackerBase):
    EVERY = 7
    SECONDS = 0.8

    def __init__(self):
        self.asked = 0
        self.last_move = {}

    def tick(self, data):
        candles = self.candles(data)
        if len(candles) >= 2 and float(candles[-2]["close"]) > 0:
            self.last_move[data.get("symbol")] = float(candles[-1]["close"]) / float(candles[-2]["close"]) - 1

    def predict(self, subject, resolve_horizon_seconds=60, step_seconds=15):
        self.asked += 1
        if self.asked % self.EVERY == 0:
            time.sleep(self.SECONDS)
        return {"value": -0.05 * self.last_move.get(subject, 0.0)}

"""The cheapest model there is: what a benchmark measures is not the model."""
from tracker import TrackerBase


class Trivial(TrackerBase):
    def __init__(self):
        self.last = 0.0

    def tick(self, data):
        self.last = data["candles_1m"][-1]["close"]

    def predict(self, subject, **kwargs):
        return {"value": self.last}

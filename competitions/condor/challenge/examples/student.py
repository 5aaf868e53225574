"""Big moves are not that rare: a t distribution with as many degrees of freedom as the past's kurtosis asks for."""
from math import log, sqrt

from condor import TrackerBase


class Student(TrackerBase):
    def predict(self, asset, horizon, step):
        grid = min(step, 60)
        prices = [p for _, p in self.prices.get_prices(asset, days=3, resolution=grid)]
        returns = [log(b / a) for a, b in zip(prices, prices[1:]) if a > 0 and b > 0]
        square = sum(r * r for r in returns) / max(1, len(returns))
        fourth = sum(r**4 for r in returns) / max(1, len(returns))
        excess = fourth / (square * square) - 3 if square > 0 else 0.0
        df = min(30.0, max(3.0, 4 + 6 / excess)) if excess > 0 else 30.0
        deviation = sqrt(square * step / grid)
        scale = max(1e-6, deviation * sqrt((df - 2) / df))
        density = {"type": "builtin", "name": "t", "params": {"df": df, "loc": 0.0, "scale": scale}}
        return [density] * (horizon // step)

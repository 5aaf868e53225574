"""The past log returns of one step, taken as normal."""
from math import log, sqrt

from condor import TrackerBase


class Gaussian(TrackerBase):
    def predict(self, asset, horizon, step):
        prices = [p for _, p in self.prices.get_prices(asset, days=5, resolution=step)]
        if len(prices) < 3:
            prices = [p for _, p in self.prices.get_prices(asset, days=5, resolution=60)]
            shrink = step / 60
        else:
            shrink = 1
        returns = [log(b / a) for a, b in zip(prices, prices[1:]) if a > 0 and b > 0]
        mean = sum(returns) / len(returns) if returns else 0.0
        variance = sum((r - mean) ** 2 for r in returns) / max(1, len(returns) - 1)
        scale = max(1e-6, sqrt(variance * shrink))
        density = {"type": "builtin", "name": "norm", "params": {"loc": 0.0, "scale": scale}}
        return [density] * (horizon // step)

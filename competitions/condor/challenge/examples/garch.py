"""Volatility that comes in bursts: today's variance from yesterday's surprise, fading back to the long-run level step by step."""
from math import log, sqrt

from condor import TrackerBase

SURPRISE = 0.10  # weight of the newest squared return
MEMORY = 0.87  # weight of the variance before; the rest pulls to the long-run level
GRID_SECONDS = 60


class Garch(TrackerBase):
    def predict(self, asset, horizon, step):
        prices = [p for _, p in self.prices.get_prices(asset, days=2, resolution=GRID_SECONDS)]
        returns = [log(b / a) for a, b in zip(prices, prices[1:]) if a > 0 and b > 0]
        long_run = max(1e-12, sum(r * r for r in returns) / max(1, len(returns)))
        variance = long_run
        for r in returns:
            variance = (1 - SURPRISE - MEMORY) * long_run + SURPRISE * r * r + MEMORY * variance
        distributions = []
        excess = variance - long_run
        fading = SURPRISE + MEMORY
        per_step = step / GRID_SECONDS
        for k in range(horizon // step):
            start = fading ** (k * per_step)
            end = fading ** ((k + 1) * per_step)
            summed = per_step * long_run + excess * (start - end) / (1 - fading)
            scale = max(1e-6, sqrt(max(0.0, summed)))
            distributions.append(
                {"step": (k + 1) * step, "type": "builtin", "name": "norm", "params": {"loc": 0.0, "scale": scale}}
            )
        return distributions

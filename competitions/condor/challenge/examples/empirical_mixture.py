"""What returns really looked like: the calm half, the falls and the rises as three normals, weighted by how often they came."""
from math import log, sqrt

from condor import TrackerBase

CALM_SHARE = 0.6


def normal(sample, share, stretch):
    mean = sum(sample) / len(sample)
    deviation = sqrt(sum((x - mean) ** 2 for x in sample) / len(sample))
    params = {"loc": mean * stretch, "scale": max(1e-6, deviation * stretch, abs(mean) * stretch * 0.5)}
    return {"density": {"type": "builtin", "name": "norm", "params": params}, "weight": share}


class EmpiricalMixture(TrackerBase):
    def predict(self, asset, horizon, step):
        grid = min(step, 60)
        prices = [p for _, p in self.prices.get_prices(asset, days=3, resolution=grid)]
        returns = sorted(log(b / a) for a, b in zip(prices, prices[1:]) if a > 0 and b > 0)
        stretch = sqrt(step / grid)
        if len(returns) < 10:
            wide = {"type": "builtin", "name": "norm", "params": {"loc": 0.0, "scale": 0.001 * stretch}}
            return [wide] * (horizon // step)
        tail = int(len(returns) * (1 - CALM_SHARE) / 2)
        groups = [returns[:tail], returns[tail:-tail], returns[-tail:]]
        components = [normal(group, len(group) / len(returns), stretch) for group in groups]
        return [{"type": "mixture", "components": components}] * (horizon // step)

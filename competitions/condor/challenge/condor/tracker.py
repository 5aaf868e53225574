from .prices import PriceStore


class TrackerBase:
    """A model of the Condor competition.

    The node calls `tick` with the newest prices, then `predict` for each question it asks. Both must be quick: an answer after the
    deadline counts as none. Calls never overlap, and ticks come in order. The process may be restarted at any time, so a model must be
    able to begin with its first tick, which holds the newest prices of one asset.
    """

    def __init__(self):
        self.prices = PriceStore()

    def tick(self, data):
        """New prices: {"BTC": [(seconds, price), ...]}, ascending, overlapping what came before. `self.prices` keeps them."""
        self.prices.add_bulk(data)

    def predict(self, asset, horizon, step):
        """Distributions of the log return ln p(t) - ln p(t - step) of every step up to the horizon (seconds), the nearest first:
        horizon // step of them, each a dictionary as described in condor.density."""
        raise NotImplementedError("predict(self, asset, horizon, step) must return a list of horizon // step distributions")

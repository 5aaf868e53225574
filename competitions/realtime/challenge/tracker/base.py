class TrackerBase:
    """A model of the real-time competition.

    The node calls `tick` with the newest market data, then `predict` for each question it asks. Both must be quick:
    an answer after the deadline counts as none. Calls never overlap, and ticks come in order. The process may be
    restarted at any time, so a model must be able to begin with its first tick.
    """

    def tick(self, data):
        """New market data: {"symbol": "BTC", "asof_ts": ms, "candles_1s": [{"ts", "open", "high", "low", "close", "volume"}, …]}.

        The field is named after the candles' length (candles_1s, candles_1m, candles_1h, …): `self.candles(data)` finds it.
        Candles are ordered by time, the newest last; ts is in seconds. A feed of ticks or trades brings "ticks": [{"ts", "price"}, …]
        instead. `feed_update` is the older name of this method.
        """
        legacy = type(self).feed_update
        if legacy is not TrackerBase.feed_update:
            legacy(self, data)

    @staticmethod
    def candles(data):
        """The candles of a tick whatever their length is, oldest first; [] where it brings none."""
        return next((value for name, value in data.items() if name.startswith("candles_")), None) or []

    def feed_update(self, data):
        self.tick(data)

    def predict(self, **kwargs):
        """The expected return over the horizon, as a fraction: {"value": 0.001} means +0.1 %.

        Given: subject (such as "BTC"), resolve_horizon_seconds, step_seconds.
        """
        raise NotImplementedError("predict(self, subject, resolve_horizon_seconds, step_seconds) must return {'value': float}")

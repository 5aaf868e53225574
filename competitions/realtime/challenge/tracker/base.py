class TrackerBase:
    """A model of the real-time competition.

    The node calls `tick` with the newest market data, then `predict` for each question it asks. Both must be quick:
    an answer after the deadline counts as none. Calls never overlap, and ticks come in order. The process may be
    restarted at any time, so a model must be able to begin with its first tick.
    """

    def tick(self, data):
        """New market data: {"symbol": "BTC", "asof_ts": ms, "candles_1m": [{"ts", "open", "high", "low", "close", "volume"}, …]}.

        Candles are ordered by time, the newest last. `feed_update` is the older name of this method.
        """
        legacy = type(self).feed_update
        if legacy is not TrackerBase.feed_update:
            legacy(self, data)

    def feed_update(self, data):
        self.tick(data)

    def predict(self, **kwargs):
        """The expected return over the horizon, as a fraction: {"value": 0.001} means +0.1 %.

        Given: subject (such as "BTC"), resolve_horizon_seconds, step_seconds.
        """
        raise NotImplementedError("predict(self, subject, resolve_horizon_seconds, step_seconds) must return {'value': float}")

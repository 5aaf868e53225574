"""What models are told of prices, and a store that keeps it."""
from bisect import bisect_left, bisect_right

Asset = str
PriceEntry = tuple  # (seconds since 1970, price)
PriceData = dict  # Asset -> [PriceEntry, ...], ascending

KEPT_DAYS = 30
_DAY_SECONDS = 86_400


class PriceStore:
    """The prices of each asset, ascending in time, of the last 30 days. What comes twice is kept once."""

    def __init__(self, kept_days=KEPT_DAYS):
        self._kept_seconds = kept_days * _DAY_SECONDS
        self._times = {}
        self._prices = {}

    def add_bulk(self, data):
        for asset, entries in data.items():
            for time, price in entries:
                self.add_price(asset, price, time)

    def add_price(self, asset, price, time):
        times, prices = self._times.setdefault(asset, []), self._prices.setdefault(asset, [])
        at = bisect_left(times, time)
        if at < len(times) and times[at] == time:
            prices[at] = price
            return
        times.insert(at, time)
        prices.insert(at, price)
        old = bisect_left(times, times[-1] - self._kept_seconds)
        if old:
            del times[:old], prices[:old]

    def get_last_price(self, asset):
        """(time, price), or None."""
        times = self._times.get(asset)
        return (times[-1], self._prices[asset][-1]) if times else None

    def get_closest_price(self, asset, time):
        """The (time, price) nearest to `time`; of two as near, the earlier; None without a price."""
        times = self._times.get(asset)
        if not times:
            return None
        after = bisect_left(times, time)
        if after == len(times) or (after > 0 and time - times[after - 1] <= times[after] - time):
            after -= 1
        return times[after], self._prices[asset][after]

    def get_prices(self, asset, days=1, resolution=60):
        """[(time, price), ...] of the last `days`, one each `resolution` seconds counted back from the newest; the last known price
        stands for an instant without one."""
        times = self._times.get(asset)
        if not times:
            return []
        newest = times[-1]
        count = int(min(days * _DAY_SECONDS, newest - times[0]) // resolution)
        sampled = []
        for k in range(count, -1, -1):
            at = bisect_right(times, newest - k * resolution) - 1
            sampled.append((newest - k * resolution, self._prices[asset][at]))
        return sampled

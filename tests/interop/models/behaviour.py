"""Answers of every kind; harmless, so that it may also run where there is no box: behind the public runner."""
import time

from goldbase.core import Base


class Behaviour(Base):
    def __init__(self, *args, **kwargs):
        self.given = {"args": list(args), "kwargs": kwargs}
        self.ticks = 0

    def init_args(self):
        return self.given

    def tick(self, data):
        self.ticks += 1

    def count(self):
        return self.ticks

    def same(self, value):
        return value

    def all_of(self, a, b=2, c=3):
        return {"a": a, "b": b, "c": c}

    def who_is(self, who):
        return who

    def total(self, table):
        return {name: float(table[name].sum()) for name in table.columns}

    def nothing(self):
        return None

    def pair(self):
        return (1, 2)

    def nan(self):
        return float("nan")

    def nan_inside(self):
        return {"v": [1.0, float("nan")]}

    def large_int(self):
        return (1 << 63) - 1

    def too_large_int(self):
        return 1 << 63

    def unicode(self):
        return "hé 😀 \u2028"

    def boom(self):
        raise ValueError("boom")

    def slow(self, seconds):
        time.sleep(seconds)
        return "late"

    def a_set(self):
        return {1, 2}

"""What is asked when: every scale for every asset, on fixed instants of the clock, assets taking turns."""
from collections import namedtuple
from math import sqrt

BASE_STEP_SECONDS = 300
BASE_BOUND = 0.03
_MINUTE_MS = 60_000

"""Seconds; `bound` None: 3 % of five minutes, growing with the square root of the step."""
Scale = namedtuple("Scale", "horizon step every bound", defaults=(None,))

SCALES = (Scale(3600, 300, 720), Scale(3600, 3600, 720), Scale(86_400, 3600, 3600), Scale(86_400, 21_600, 3600))


class Question(namedtuple("Question", "asset horizon step bound every_ms phase_ms")):
    __slots__ = ()

    @property
    def subject(self):
        return self.asset

    @property
    def scope_key(self):
        return f"{self.asset}-{self.horizon}-{self.step}"

    @property
    def horizon_ms(self):
        return self.horizon * 1000


def bound_of(step):
    """Log returns of a step beyond this are told apart no further."""
    return BASE_BOUND * sqrt(max(step, BASE_STEP_SECONDS) / BASE_STEP_SECONDS)


def questions(assets, scales=SCALES):
    """Assets in the order of the node's FEED_SUBJECTS: it decides whose turn is when."""
    asked = []
    for scale in scales:
        for i, asset in enumerate(assets):
            every_ms = scale.every * 1000
            phase_ms = i * every_ms // len(assets) // _MINUTE_MS * _MINUTE_MS
            bound = bound_of(scale.step) if scale.bound is None else scale.bound
            asked.append(Question(asset, scale.horizon, scale.step, bound, every_ms, phase_ms))
    return asked

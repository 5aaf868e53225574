"""Base class of the models of this competition."""
from tracker.base import TrackerBase

__all__ = ["TrackerBase"]

"""The Condor competition: forecasts of how prices may move, as distributions of log returns."""
from .prices import Asset, PriceData, PriceStore
from .tracker import TrackerBase

__all__ = ["Asset", "PriceData", "PriceStore", "TrackerBase"]

"""What the backtest clients of all competitions share: recorded prices, the clock of questions, and the leaderboard's windows."""
from .records import NodeRecords, Record, read_csv
from .result import Backtest
from .runner import Runner

__all__ = ["Backtest", "NodeRecords", "Record", "Runner", "read_csv"]

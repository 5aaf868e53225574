"""A model that is never done being made."""
from tracker import TrackerBase


class Spins(TrackerBase):
    def __init__(self):
        print("spinning", flush=True)
        while True:
            pass

"""A submission that fails while it is set up."""
from goldbase.core import Base


class Unready(Base):
    def __init__(self):
        raise RuntimeError("weights are missing")

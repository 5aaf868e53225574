"""The score of this competition. What it says is the live score to the last digit.

    from tracker.scoring import score
    truth = {"entry_price": 100.0, "resolved_price": 100.5, "profit": 0.005}
    score(model.predict("BTC", 20, 5), truth)["value"]
"""
from math import isfinite

SCALE = 10000  # one unit is a basis point of return per unit of prediction


def score(prediction, truth, scope=None):
    """{"value", "actual_return", "entry_price", "resolved_price"} of what `predict` returned; larger values are better. Raises
    ValueError for an answer that the node would refuse."""
    return {
        "value": predicted(prediction) * truth["profit"] * SCALE,
        "actual_return": truth["profit"],
        "entry_price": truth["entry_price"],
        "resolved_price": truth["resolved_price"],
    }


def predicted(prediction):
    """The number that an answer says."""
    value = prediction.get("value") if isinstance(prediction, dict) else None
    try:
        if not isinstance(value, bool) and isinstance(value, (int, float)) and isfinite(value):
            return float(value)
    except OverflowError:  # an int that no double holds
        pass
    raise ValueError(f"the answer must be {{'value': a finite number}}, is {str(prediction)[:80]}")

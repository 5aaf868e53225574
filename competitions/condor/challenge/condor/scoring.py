"""The score of this competition. What it says is the live score to the last digit.

    from condor.scoring import score
    truth = {"asset": "BTC", "horizon": 600, "step": 300, "bound": 0.03, "returns": [0.0004, -0.0011]}
    score(model.predict("BTC", 600, 300), truth)["value"]
"""
from math import sqrt

from .crps import threshold_crps
from .density import Problems, parse, pdf
from .elementary import log
from .questions import BASE_STEP_SECONDS

BASIS_POINTS = 10000
_DENSITY_FLOOR = 1e-10
_DENSITY_CEILING = 1e10


def score(prediction, truth, scope=None):
    """{"value", "crps", "log_score", "steps"} of a forecast (what `predict` returned). Lower values are better; raises ValueError for a
    forecast that the node would refuse, with the node's reason."""
    returns = truth["returns"]
    mixtures = forecast(prediction, len(returns) * truth["step"], truth["step"])
    crps = 0.0
    log_score = 0.0
    steps = 0
    for leaves, value in zip(mixtures, returns):
        if value is None:
            continue
        crps = crps + threshold_crps(leaves, value, truth["bound"])
        log_score = log_score + log(_DENSITY_FLOOR + min(pdf(leaves, value), _DENSITY_CEILING))
        steps += 1
    crps = crps / steps
    return {
        "value": (crps * BASIS_POINTS) / sqrt(truth["step"] / BASE_STEP_SECONDS),
        "crps": crps,
        "log_score": log_score / steps,
        "steps": steps,
    }


def forecast(prediction, horizon, step):
    """The distributions of an answer, ready to be evaluated; raises ValueError as the node would refuse it."""
    listed = prediction.get("distributions") if isinstance(prediction, dict) else prediction
    if not isinstance(listed, (list, tuple)):
        raise ValueError("distributions: must be a list of distributions, one for each step")
    mixtures, problems, read = [], [], {}
    for k, entry in enumerate(listed):
        wrapped = entry.get("prediction") if isinstance(entry, dict) else None
        place = f"distributions.{k}" + ("" if wrapped is None else ".prediction")
        written = entry if wrapped is None else wrapped
        key = id(written)  # [density] * n is one distribution: what is known of it is kept
        try:
            if key not in read:
                read[key] = parse(written, place)
            mixtures.append(read[key])
        except Problems as found:
            problems += found.problems
        if len(problems) >= 5:
            break
    if problems:
        raise Problems(problems[:5])
    count = horizon / step
    if len(mixtures) != count:
        raise ValueError(
            f"distributions: must hold {count:g}, one for each step of {step} s up to {horizon} s; holds {len(mixtures)}"
        )
    for k, entry in enumerate(listed):
        end = entry.get("step")
        if isinstance(end, (int, float)) and end != (k + 1) * step:
            raise ValueError(f"distributions.{k}.step: must be {(k + 1) * step}, the nearest step first; is {end}")
    return mixtures

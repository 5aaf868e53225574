"""Distributions as dictionaries, in the form of the public densitypdf package, read and evaluated.

    {"type": "builtin", "name": "norm", "params": {"loc": 0.0, "scale": 0.001}}
    {"type": "mixture", "components": [{"density": {...}, "weight": 0.8}, {"density": {...}, "weight": 0.2}]}
"""
from math import isfinite

from .elementary import INF, exp, log
from .families import FAMILIES

MAX_LEAVES = 3
MAX_DEPTH = 3
MAX_LOC = 10
MIN_SCALE, MAX_SCALE = "1e-7", "10"
MIN_SHAPE, MAX_SHAPE = "0.1", "10000"
_MAX_PROBLEMS = 5


class Leaf:
    """One term: weight * family((x - loc) / scale)."""

    __slots__ = ("family", "shapes", "loc", "scale", "weight")

    def __init__(self, family, shapes, loc, scale, weight):
        self.family = FAMILIES[family]
        self.shapes = shapes
        self.loc = loc
        self.scale = scale
        self.weight = weight


class Mixture(list):
    """The leaves of a distribution, weights adding up to 1; remembers its cdf, which scoring asks for at the same places again."""

    def __init__(self):
        super().__init__()
        self.known = {}


class Problems(ValueError):
    """What is wrong with a distribution, as (place, message)."""

    def __init__(self, problems):
        super().__init__("; ".join(f"{place}: {message}" for place, message in problems))
        self.problems = problems


def parse(value, place=""):
    """The Mixture of a distribution; raises Problems with what the node would answer."""
    problems, leaves = [], Mixture()
    _read(value, place, 1.0, 0, leaves, problems)
    if problems:
        raise Problems(problems)
    return leaves


def pdf(leaves, x):
    total = 0.0
    for leaf in leaves:
        total = total + (leaf.weight * exp(leaf.family.log_pdf((x - leaf.loc) / leaf.scale, *leaf.shapes))) / leaf.scale
    return total


def log_pdf(leaves, x):
    terms = [log(leaf.weight) - log(leaf.scale) + leaf.family.log_pdf((x - leaf.loc) / leaf.scale, *leaf.shapes) for leaf in leaves]
    largest = max(terms)
    if largest in (INF, -INF):
        return largest
    total = 0.0
    for term in terms:
        total = total + exp(term - largest)
    return largest + log(total)


def cdf(mixture, x):
    known = mixture.known.get(x)
    if known is not None:
        return known
    total = 0.0
    for leaf in mixture:
        total = total + leaf.weight * leaf.family.cdf((x - leaf.loc) / leaf.scale, *leaf.shapes)
    mixture.known[x] = total = min(total, 1.0)
    return total


def _read(value, place, weight, depth, leaves, problems):
    if len(problems) >= _MAX_PROBLEMS:
        return
    if not isinstance(value, dict):
        return _complain(problems, place, "must be a distribution: {type, name, params}")
    kind = value.get("type")
    if kind == "mixture":
        return _read_mixture(value, place, weight, depth, leaves, problems)
    if kind not in ("builtin", "scipy", "statistics"):
        return _complain(problems, _join(place, "type"), "must be builtin, scipy, statistics or mixture")
    _read_leaf(value, kind, place, weight, leaves, problems)


def _read_mixture(value, place, weight, depth, leaves, problems):
    components = value.get("components")
    at = _join(place, "components")
    if not isinstance(components, (list, tuple)):
        return _complain(problems, at, "must be a list of {density, weight}")
    if depth >= MAX_DEPTH:
        return _complain(problems, place, f"is nested too deep: at most {MAX_DEPTH} levels of mixtures")
    if len(leaves) + len(components) > MAX_LEAVES:
        return _complain(problems, at, f"has {len(components)} terms: at most {MAX_LEAVES} in all")
    weights = [_weight(component, f"{at}.{i}", problems) for i, component in enumerate(components)]
    total = 0.0
    for own in weights:
        total = total + own
    if not 0 < total < INF:
        return _complain(problems, at, "weights must add up to more than 0")
    for i, (own, component) in enumerate(zip(weights, components)):
        if own > 0:
            _read(component.get("density"), f"{at}.{i}.density", (weight * own) / total, depth + 1, leaves, problems)


def _weight(component, place, problems):
    weight = component.get("weight") if isinstance(component, dict) else None
    if _is_number(weight):
        return abs(float(weight))
    _complain(problems, _join(place, "weight"), "must be a finite number")
    return 0.0


def _read_leaf(value, kind, place, weight, leaves, problems):
    statistics = kind == "statistics"
    name = value.get("name")
    family = ("norm" if name == "normal" else None) if statistics else name
    if not isinstance(family, str) or family not in FAMILIES:
        known = "normal" if statistics else ", ".join(FAMILIES)
        return _complain(problems, _join(place, "name"), f"is not known; one of {known}")
    params = value.get("params")
    params = params if isinstance(params, dict) else {}
    if kind == "scipy":
        params = {"loc": 0, "scale": 1, **params}
    at = _join(place, "params")

    def number(key, least, most):
        v = params.get(key)
        if not _is_number(v):
            _complain(problems, f"{at}.{key}", "must be a finite number" if key in params else "is missing")
        elif float(v) < float(least) or float(v) > float(most):
            _complain(problems, f"{at}.{key}", f"must be from {least} to {most}")
        else:
            return float(v)
        return 0.0

    shapes = [number(key, MIN_SHAPE, MAX_SHAPE) for key in FAMILIES[family].shapes]
    loc = number("mu" if statistics else "loc", f"-{MAX_LOC}", f"{MAX_LOC}")
    scale = number("sigma" if statistics else "scale", MIN_SCALE, MAX_SCALE)
    if len(leaves) >= MAX_LEAVES:
        _complain(problems, place, f"is one term too many: at most {MAX_LEAVES} in all")
    leaves.append(Leaf(family, shapes, loc, scale, weight))


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _join(place, name):
    return f"{place}.{name}" if place else name


def _complain(problems, place, message):
    if len(problems) < _MAX_PROBLEMS:
        problems.append((place, message))

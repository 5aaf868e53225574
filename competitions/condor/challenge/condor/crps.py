"""CRPS within bounds: the integral of (F(x) - [x >= y])^2 over [-bound, bound], as the node computes it."""
from .density import cdf

_NODES = (
    0.9914553711208126, 0.9491079123427585, 0.8648644233597691, 0.7415311855993945, 0.5860872354676911, 0.4058451513773972,
    0.20778495500789848,
)
_KRONROD = (
    0.022935322010529224, 0.06309209262997856, 0.10479001032225019, 0.14065325971552592, 0.1690047266392679, 0.19035057806478542,
    0.20443294007529889,
)
_KRONROD_CENTER = 0.20948214108472782
_GAUSS = (0.0, 0.1294849661688697, 0.0, 0.27970539148927664, 0.0, 0.3818300505051189, 0.0)
_GAUSS_CENTER = 0.4179591836734694
_KNOTS = (-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16)
_PRECISION = 1e-7
_MAX_HALVINGS = 40
_FLAT = 1e-14


def threshold_crps(leaves, y, bound):
    """Lower is better; the unit is that of y, and 2 * bound the most that a forecast can cost."""
    observed = -bound if y < -bound else min(y, bound)
    edges = _edges(leaves, observed, bound)
    levels = [cdf(leaves, x) for x in edges]
    panels = []
    whole = 0.0
    for i in range(1, len(edges)):
        start, end = edges[i - 1], edges[i]
        if levels[i] - levels[i - 1] < _FLAT:
            panel = (start, end, (end - start) * _loss(levels[i], end > observed), 0.0)
        else:
            panel = _integrate(leaves, observed, start, end)
        panels.append(panel)
        whole = whole + panel[2]
    tolerance = _PRECISION * whole
    total = 0.0
    for panel in panels:
        total = total + _refined(leaves, observed, panel, tolerance, 0)
    return total


def _loss(level, above):
    return (1 - level) * (1 - level) if above else level * level


def _edges(leaves, observed, bound):
    edges = [-bound, observed, bound]
    for leaf in leaves:
        center = leaf.loc + leaf.scale * leaf.family.center(*leaf.shapes)
        spread = leaf.scale * leaf.family.spread(*leaf.shapes)
        for knot in _KNOTS:
            edges.append(center + spread * knot)
        edges.append(leaf.loc)
        edges.append(leaf.loc + leaf.scale)
    inside = sorted(x for x in edges if -bound <= x <= bound)
    return [x for i, x in enumerate(inside) if i == 0 or x > inside[i - 1]]


def _integrate(leaves, observed, start, end):
    middle = 0.5 * (start + end)
    half = 0.5 * (end - start)
    above = middle > observed
    central = _loss(cdf(leaves, middle), above)
    kronrod = _KRONROD_CENTER * central
    gauss = _GAUSS_CENTER * central
    for i in range(7):
        offset = half * _NODES[i]
        pair = _loss(cdf(leaves, middle - offset), above) + _loss(cdf(leaves, middle + offset), above)
        kronrod = kronrod + _KRONROD[i] * pair
        gauss = gauss + _GAUSS[i] * pair
    return (start, end, half * kronrod, abs(half * (kronrod - gauss)))


def _refined(leaves, observed, panel, tolerance, halvings):
    start, end, value, doubt = panel
    if doubt <= tolerance or halvings >= _MAX_HALVINGS:
        return value
    middle = 0.5 * (start + end)
    left = _integrate(leaves, observed, start, middle)
    right = _integrate(leaves, observed, middle, end)
    return _refined(leaves, observed, left, tolerance, halvings + 1) + _refined(leaves, observed, right, tolerance, halvings + 1)

"""Error, gamma and beta functions (Cody 1969; Abramowitz and Stegun 6.1.41, 6.5, 26.5.8), operation by operation as the node has them."""
from math import floor

from .elementary import INF, SQRT_HALF, exp, log, log1p, times_log

_NEAR = 0.46875
_MIDDLE = 4
_FAR = 26.6
_INVERSE_SQRT_PI = 0.5641895835477563
_A = (0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694)
_B = (1.0, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171)
_C = (2.1531153547440383e-08, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
    1712.0476126340707, 2051.0783778260716, 1230.3393547979972)
_D = (1.0, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597, 4362.619090143247,
    3439.3676741437216, 1230.3393548037495)
_P = (0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
    0.0006587491615298378)
_Q = (1.0, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918)


def _ratio(top, bottom, x):
    up = top[0]
    down = bottom[0]
    for i in range(1, len(top)):
        up = up * x + top[i]
        down = down * x + bottom[i]
    return up / down


def _exp_minus_square(y):
    head = floor(y * 16) / 16
    return exp(-head * head) * exp(-(y - head) * (y + head))


def _tail(y):
    if y > _FAR:
        return 0.0
    if y <= _MIDDLE:
        return _exp_minus_square(y) * _ratio(_C, _D, y)
    z = 1 / (y * y)
    return (_exp_minus_square(y) * (_INVERSE_SQRT_PI - z * _ratio(_P, _Q, z))) / y


def erfc(x):
    y = abs(x)
    if y <= _NEAR:
        return 1 - x * _ratio(_A, _B, y * y)
    return 2 - _tail(y) if x < 0 else _tail(y)


def normal_cdf(z):
    return 0.5 * erfc(-z * SQRT_HALF)


HALF_LOG_TWO_PI = 0.9189385332046728
_STIRLING = (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
_LARGE = 10
_MAX_STEPS = 20_000
_PRECISION = 4e-16
_TINY = 1e-300


def _stirling_error(x):
    z = 1 / (x * x)
    total = _STIRLING[0]
    for term in _STIRLING[1:]:
        total = total * z + term
    return total / x


def log_gamma(x):
    shifted = x
    product = 1.0
    while shifted < _LARGE:
        product = product * shifted
        shifted = shifted + 1
    value = (shifted - 0.5) * log(shifted) - shifted + HALF_LOG_TWO_PI + _stirling_error(shifted)
    return value - log(product) if x < _LARGE else value


def log_beta(a, b):
    p = min(a, b)
    q = max(a, b)
    if q < _LARGE:
        return log_gamma(p) + log_gamma(q) - log_gamma(p + q)
    share = p / (p + q)
    correction = _stirling_error(q) - _stirling_error(p + q)
    if p < _LARGE:
        return log_gamma(p) + correction + p - p * log(p + q) + (q - 0.5) * log1p(-share)
    return HALF_LOG_TWO_PI - 0.5 * log(q) + (_stirling_error(p) + correction) + (p - 0.5) * log(share) + q * log1p(-share)


def log_gamma_density(a, x):
    """Log density of the gamma distribution of shape a and scale 1."""
    if a < _LARGE or x <= 0:
        return times_log(a - 1, log(x)) - x - log_gamma(a)
    u = (x - a) / a
    return a * (log1p(u) - u) - log(x) + 0.5 * log(a) - HALF_LOG_TWO_PI - _stirling_error(a)


def regularized_gamma(a, x):
    """P(a, x), the cdf of the gamma distribution."""
    if not x > 0:
        return 0.0
    if x == INF:
        return 1.0
    front = exp(log_gamma_density(a + 1, x))
    return front * _gamma_series(a, x) if x < a + 1 else 1 - front * a * _gamma_fraction(a, x)


def _gamma_series(a, x):
    term = 1.0
    total = 1.0
    n = 1
    while n < _MAX_STEPS and term > total * _PRECISION:
        term = (term * x) / (a + n)
        total = total + term
        n += 1
    return total


def _gamma_fraction(a, x):
    b = x + 1 - a
    c = 1 / _TINY
    d = 1 / b
    fraction = d
    for n in range(1, _MAX_STEPS):
        an = -n * (n - a)
        b = b + 2
        d = _away(an * d + b)
        c = _away(b + an / c)
        d = 1 / d
        step = d * c
        fraction = fraction * step
        if abs(step - 1) < _PRECISION:
            break
    return fraction


def _away(x):
    return _TINY if abs(x) < _TINY else x


def regularized_beta(a, b, x, y):
    """I_x(a, b) with y = 1 - x."""
    if not x > 0:
        return 0.0
    if not y > 0:
        return 1.0
    front = exp(times_log(a, log(x)) + times_log(b, log(y)) - log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return (front * _beta_fraction(a, b, x)) / a
    return 1 - (front * _beta_fraction(b, a, y)) / b


def _beta_fraction(a, b, x):
    c = 1.0
    d = 1 / _away(1 - ((a + b) * x) / (a + 1))
    fraction = d
    for m in range(1, _MAX_STEPS):
        even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _away(1 + even * d)
        c = _away(1 + even / c)
        fraction = fraction * (d * c)
        odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away(1 + odd * d)
        c = _away(1 + odd / c)
        step = d * c
        fraction = fraction * step
        if abs(step - 1) < _PRECISION:
            break
    return fraction

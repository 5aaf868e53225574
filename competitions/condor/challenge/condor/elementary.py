"""exp, log and powers of doubles from + - * / and exact scaling only.

The math module's own differ in the last bit between platforms. These give the same double everywhere, and the node computes with the
same operations in the same order, so that a score found here is the live score to the last digit.
"""
from math import floor, frexp, ldexp

INF = float("inf")
NAN = float("nan")
LN2 = 0.6931471805599453
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_LOG2E = 1.4426950408889634
SQRT_HALF = 0.7071067811865476
_EXP_OVERFLOW = 709.782712893384
_EXP_UNDERFLOW = -745.1332191019411

_EXP_TERMS = (
    1 / 6227020800, 1 / 479001600, 1 / 39916800, 1 / 3628800, 1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6,
    0.5, 1.0, 1.0,
)
_ATANH_TERMS = (1 / 25, 1 / 23, 1 / 21, 1 / 19, 1 / 17, 1 / 15, 1 / 13, 1 / 11, 1 / 9, 1 / 7, 1 / 5, 1 / 3)


def _horner(terms, x):
    total = 0.0
    for term in terms:
        total = total * x + term
    return total


def exp(x):
    if x != x:
        return x
    if x > _EXP_OVERFLOW:
        return INF
    if x < _EXP_UNDERFLOW:
        return 0.0
    k = floor(x * _LOG2E + 0.5)
    r = x - k * _LN2_HIGH - k * _LN2_LOW
    y = _horner(_EXP_TERMS, r)
    if k > 1000:
        return y * ldexp(1.0, 1000) * ldexp(1.0, k - 1000)
    if k < -1000:
        return y * ldexp(1.0, -1000) * ldexp(1.0, k + 1000)
    return y * ldexp(1.0, k)


def log(x):
    if x != x or x < 0:
        return NAN
    if x == 0:
        return -INF
    if x == INF:
        return x
    mantissa, exponent = frexp(x)
    if mantissa < SQRT_HALF:
        mantissa = mantissa * 2
        exponent = exponent - 1
    s = (mantissa - 1) / (mantissa + 1)
    z = s * s
    return exponent * _LN2_HIGH + (2 * s + (2 * s * z * _horner(_ATANH_TERMS, z) + exponent * _LN2_LOW))


def log1p(x):
    """log(1 + x) without losing a small x."""
    if not (-0.3 < x < 0.4):
        return log(1 + x)
    s = x / (2 + x)
    z = s * s
    return 2 * s + 2 * s * z * _horner(_ATANH_TERMS, z)


def times_log(a, log_x):
    """a * log x, with 0 * log 0 = 0."""
    return 0.0 if a == 0 else a * log_x

"""The scipy-named families of z = (x - loc) / scale: log density, cdf, and where to look first (centre, spread)."""
from math import sqrt

from .elementary import INF, LN2, exp, log, times_log
from .special import HALF_LOG_TWO_PI, log_beta, log_gamma_density, normal_cdf, regularized_beta, regularized_gamma

_LOG_PI = 1.1447298858494002
_NEVER = -INF


def _square(x):
    return x * x


def _log_student(z, df):
    return -0.5 * (df + 1) * log(1 + (z * z) / df) - 0.5 * log(df) - log_beta(0.5, 0.5 * df)


def _student_cdf(z, df):
    square = z * z
    outside = 0.5 * regularized_beta(0.5 * df, 0.5, df / (df + square), square / (df + square))
    return outside if z < 0 else 1 - outside


def _log_weibull(z, c):
    if not z >= 0:
        return _NEVER
    log_z = log(z)
    return log(c) + times_log(c - 1, log_z) - exp(c * log_z)


def _log_chi(z, df):
    if z > 0:
        return log_gamma_density(0.5 * df, 0.5 * z * z) + log(z)
    if df == 1:
        return 0.5 * (LN2 - _LOG_PI)
    return _NEVER if df > 1 else INF


def _log_fisher(z, n, d):
    return 0.5 * n * log(n / d) + times_log(0.5 * n - 1, log(z)) - 0.5 * (n + d) * log(1 + (n * z) / d) - log_beta(0.5 * n, 0.5 * d)


def _log_lognormal(z, s):
    return -0.5 * _square(log(z) / s) - HALF_LOG_TWO_PI - log(s) - log(z)


def _log_beta_density(z, a, b):
    return times_log(a - 1, log(z)) + times_log(b - 1, log(1 - z)) - log_beta(a, b)


def _fisher_cdf(z, n, d):
    return regularized_beta(0.5 * n, 0.5 * d, (n * z) / (n * z + d), d / (n * z + d))


class Family:
    def __init__(self, shapes, log_pdf, cdf, center, spread):
        self.shapes = shapes
        self.log_pdf = log_pdf
        self.cdf = cdf
        self.center = center
        self.spread = spread


_zero = lambda *p: 0.0
_one = lambda *p: 1.0

FAMILIES = {
    "norm": Family((), lambda z: -0.5 * z * z - HALF_LOG_TWO_PI, lambda z: normal_cdf(z), _zero, _one),
    "lognorm": Family(
        ("s",),
        lambda z, s: _log_lognormal(z, s) if z > 0 else _NEVER,
        lambda z, s: normal_cdf(log(z) / s) if z > 0 else 0.0,
        _one,
        lambda s: min(s, 1.0),
    ),
    "expon": Family((), lambda z: -z if z >= 0 else _NEVER, lambda z: 1 - exp(-z) if z > 0 else 0.0, _one, _one),
    "t": Family(("df",), _log_student, _student_cdf, _zero, _one),
    "weibull_min": Family(
        ("c",),
        _log_weibull,
        lambda z, c: 1 - exp(-exp(c * log(z))) if z > 0 else 0.0,
        _one,
        lambda c: 1 / c if c > 1 else 1.0,
    ),
    "weibull_max": Family(
        ("c",),
        lambda z, c: _log_weibull(-z, c),
        lambda z, c: exp(-exp(c * log(-z))) if z < 0 else 1.0,
        lambda c: -1.0,
        lambda c: 1 / c if c > 1 else 1.0,
    ),
    "gamma": Family(
        ("a",),
        lambda z, a: log_gamma_density(a, z) if z >= 0 else _NEVER,
        lambda z, a: regularized_gamma(a, z),
        lambda a: a,
        lambda a: sqrt(a),
    ),
    "beta": Family(
        ("a", "b"),
        lambda z, a, b: _log_beta_density(z, a, b) if 0 <= z <= 1 else _NEVER,
        lambda z, a, b: regularized_beta(a, b, z, 1 - z),
        lambda a, b: a / (a + b),
        lambda a, b: sqrt((a * b) / (a + b + 1)) / (a + b),
    ),
    "chi": Family(
        ("df",),
        lambda z, df: _log_chi(z, df) if z >= 0 else _NEVER,
        lambda z, df: regularized_gamma(0.5 * df, 0.5 * z * z) if z > 0 else 0.0,
        lambda df: sqrt(df),
        lambda df: sqrt(df) if df < 1 else 0.7,
    ),
    "chi2": Family(
        ("df",),
        lambda z, df: log_gamma_density(0.5 * df, 0.5 * z) - LN2 if z >= 0 else _NEVER,
        lambda z, df: regularized_gamma(0.5 * df, 0.5 * z),
        lambda df: df,
        lambda df: sqrt(2 * df),
    ),
    "rayleigh": Family(
        (),
        lambda z: log(z) - 0.5 * z * z if z >= 0 else _NEVER,
        lambda z: 1 - exp(-0.5 * z * z) if z > 0 else 0.0,
        _one,
        lambda: 0.6,
    ),
    "pareto": Family(
        ("b",),
        lambda z, b: log(b) - (b + 1) * log(z) if z >= 1 else _NEVER,
        lambda z, b: 1 - exp(-b * log(z)) if z > 1 else 0.0,
        _one,
        lambda b: 1 / b if b > 1 else 1.0,
    ),
    "cauchy": Family((), lambda z: -_LOG_PI - log(1 + z * z), lambda z: _student_cdf(z, 1.0), _zero, _one),
    "laplace": Family(
        (), lambda z: -LN2 - abs(z), lambda z: 0.5 * exp(z) if z < 0 else 1 - 0.5 * exp(-z), _zero, _one
    ),
    "f": Family(
        ("dfn", "dfd"),
        lambda z, n, d: _log_fisher(z, n, d) if z >= 0 else _NEVER,
        lambda z, n, d: _fisher_cdf(z, n, d) if z > 0 else 0.0,
        _one,
        lambda n, d: sqrt(2 / n + 2 / d),
    ),
}

"""Models of the train/infer services: a main file with a function `infer` instead of a class."""
import os
import sys

from host_alarm import Interrupted, print_error
from host_errors import BAD_IMPLEMENTATION, SetupError

MODULE = "submission code"
NOTHING = object()


class Stream:
    """What a generator `infer(stream)` iterates over: each value once, then the prediction for it is due."""

    def __init__(self):
        self.value = NOTHING

    def __iter__(self):
        return self

    def __next__(self):
        if self.value is NOTHING:
            raise RuntimeError("infer() asked for a value that has not come: it yields once when it is ready, then once a value")
        value, self.value = self.value, NOTHING
        return value


class TrainInfer:
    """
    Serves `infer` and `reinitialize`. A generator function `infer(stream)` keeps its state between calls and is primed again
    after an error, as by `reinitialize`; a plain function `infer(value)` is called each time and has nothing to prime.
    """

    def __init__(self, submission):
        import inspect
        self._function = load_infer(submission)
        self._extras = submission.extras(self._function)
        self._streams = inspect.isgeneratorfunction(inspect.unwrap(self._function))
        self._stream = self._generator = None
        self.reinitialize()

    def reinitialize(self):
        if not self._streams:
            return
        self._generator, self._stream = None, Stream()
        generator = self._function(self._stream, **self._extras)
        next(generator, None)
        self._generator = generator

    def infer(self, value):
        if not self._streams:
            return self._function(value, **self._extras)
        if self._generator is None:
            self.reinitialize()
        self._stream.value = value
        try:
            prediction = next(self._generator, NOTHING)
        except Exception:
            self._prime_again()
            raise
        if prediction is NOTHING:
            self._prime_again()
            raise RuntimeError("the generator of infer() ended: it yields once when it is ready, then once a value")
        return prediction

    def _prime_again(self):
        try:
            self.reinitialize()
        except Interrupted:
            raise
        except BaseException:  # noqa: B036 the next call tries again and gets to know
            print_error()


def load_infer(submission):
    import importlib.util
    path = os.path.join(submission.code, submission.main_file)
    if not os.path.isfile(path):
        raise SetupError(BAD_IMPLEMENTATION, f"no file {submission.main_file} in the submission")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None:
        raise SetupError(BAD_IMPLEMENTATION, f"{submission.main_file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "infer", None)):
        raise SetupError(BAD_IMPLEMENTATION, f"no `infer` function found in {submission.main_file}")
    return module.infer

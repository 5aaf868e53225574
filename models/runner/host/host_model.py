"""Makes the participant's instance and calls its methods."""
import os

from host_alarm import note, print_error
from host_class import base_class, find_class
from host_errors import (
    BAD_IMPLEMENTATION,
    FAILED,
    INVALID_ARGUMENT,
    NO_METHOD,
    NOT_FINITE,
    NOT_SET_UP,
    OK,
    SETUP_FAILED,
    TOO_LARGE,
    SetupError,
    describe,
    text,
)
from host_infer import TrainInfer

TRAIN_INFER = ":train-infer"   # in place of a base class: no class has such a name
SAME = {"tick": "feed_update", "feed_update": "tick"}
MAIN_FILE = "main.py"
VAR_KEYWORDS = 0x08


class Submission:
    """The files of a model and what its surroundings offer it."""

    def __init__(self, code, options):
        self.code = os.path.abspath(code)
        self.main_file = options.get("main_file") or MAIN_FILE
        self.resource_directory = options.get("resource_directory") or ""
        self.has_gpu = bool(options.get("has_gpu"))
        if self.resource_directory:
            os.environ["RESOURCE_DIRECTORY"] = self.resource_directory
        if "has_gpu" in options:
            os.environ["HAS_GPU"] = str(self.has_gpu).lower()

    def extras(self, function):
        """What a function may ask for by the name of a parameter."""
        offered = {
            "resource_directory": self.resource_directory,
            "model_directory_path": self.resource_directory,
            "has_gpu": self.has_gpu,
        }
        names = keyword_names(function)
        return {} if names is None else {name: value for name, value in offered.items() if name in names[1]}


class Model:
    def __init__(self, submission, values):
        self.submission, self.values, self.encode = submission, values, values.encode
        self.instance, self.base, self.methods, self.told = None, "", {}, set()

    def arguments(self, args, kwargs):
        """Those of a call with opaque ones, which are tuples; no value that the runner has read is one."""
        decode = self.values.decode
        plain = [decode(*value) if type(value) is tuple else value for value in args]
        return plain, {key: decode(*value) if type(value) is tuple else value for key, value in kwargs.items()}

    def setup(self, name, args, kwargs, opaque):
        name = name.strip()
        if self.instance is not None:
            if (name == TRAIN_INFER) != (self.base == TRAIN_INFER):
                return text(NOT_SET_UP, f"This model is set up already, as {self.base}")
            return text(OK, "Instance already exists")
        if not name:
            return text(INVALID_ARGUMENT, "class_name cannot be empty")
        try:
            if opaque:
                args, kwargs = self.arguments(args, kwargs)
            self.instance, self.base = self.make(name, args, kwargs), name
        except SetupError as error:
            return text(error.code, error)
        except ImportError as error:
            print_error()
            return text(BAD_IMPLEMENTATION, error.msg)
        except BaseException as error:  # noqa: B036 the model's own code ran
            print_error()
            return text(SETUP_FAILED, describe(error))
        return text(OK, "Instance created successfully")

    def make(self, name, positional, keywords):
        if name == TRAIN_INFER:
            return TrainInfer(self.submission)
        return find_class(self.submission.code, base_class(name), self.submission.main_file)(*positional, **keywords)

    def rest(self, *_):
        if self.instance is None:
            return text(OK, "No instance exists to reset")
        self.instance, self.base, self.methods = None, "", {}
        return text(OK, "Instance successfully reset")

    def method(self, name):
        """A public method and the keywords it takes (None: any)."""
        if self.instance is None:
            return None
        if name not in self.methods:
            public = not name.startswith("_")
            found = getattr(self.instance, name, None) if public else None
            if found is None and name in SAME:
                found = getattr(self.instance, SAME[name], None)
            self.methods[name] = (found, keyword_names(found)) if callable(found) else None
        return self.methods[name]

    def call(self, name, args, kwargs, opaque):
        try:
            found = self.methods.get(name) or self.method(name)
            if found is None:
                return self.missing(name)
            if opaque:
                args, kwargs = self.arguments(args, kwargs)
            method, names = found
            if kwargs and names is not None and (args or not names[1].issuperset(kwargs)):
                kwargs = self.wanted(names, len(args), kwargs)
            kind, data = self.encode(method(*args, **kwargs))
            return OK, kind, data
        except self.values.NotFinite as error:
            return text(NOT_FINITE, error)
        except self.values.TooLarge as error:
            return text(TOO_LARGE, error)
        except BaseException as error:  # noqa: B036 a model may raise anything
            print_error()
            return text(FAILED, f"The model raised an exception: {describe(error)}")

    def missing(self, name):
        """Why there is no such method to call."""
        if self.instance is None:
            return text(NOT_SET_UP, "Setup has not been called yet")
        if name == "":
            return text(INVALID_ARGUMENT, "methodName cannot be empty")
        return text(NO_METHOD, f'Method "{name}" not found in class "{type(self.instance).__name__}"')

    def wanted(self, names, given, keywords):
        """Keywords that the method takes and that no positional argument has filled; the others are named once in the log."""
        in_order, by_name = names
        filled = in_order[:given]
        unused = frozenset(key for key in keywords if key not in by_name or key in filled)
        if unused and unused not in self.told:
            self.told.add(unused)
            note(f"These parameters are not used by the model: {', '.join(sorted(unused))}.")
        return {key: value for key, value in keywords.items() if key not in unused}


def keyword_names(method):
    """(parameters in order of position, those that may be given by name), or None where any name may be given."""
    function = getattr(method, "__func__", method)
    code = getattr(function, "__code__", None)
    if type(code).__name__ != "code" or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return inspected(method)
    if code.co_flags & VAR_KEYWORDS:
        return None
    positional = code.co_varnames[:code.co_argcount]
    by_name = code.co_varnames[code.co_posonlyargcount:code.co_argcount + code.co_kwonlyargcount]
    is_bound = function is not method
    return positional[1:] if is_bound else positional, frozenset(by_name[1:] if is_bound and not code.co_posonlyargcount else by_name)


def inspected(method):
    """The same for whatever is not a plain function: decorated ones, partials, classes, builtins."""
    import inspect
    try:
        found = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in found):
        return None
    in_order = tuple(p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    by_name = frozenset(p.name for p in found if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
    return in_order, by_name

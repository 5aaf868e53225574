"""Finds the participant's class, makes the instance, calls its methods."""
import importlib
import os
import sys
import traceback

OK, FAILED, TOO_LARGE, NOT_FINITE, NO_METHOD = 0, 1, 2, 3, 4
NOT_SET_UP, BAD_IMPLEMENTATION, SETUP_FAILED, INVALID_ARGUMENT = 9, 10, 11, 12
STRING = 3
SAME = {"tick": "feed_update", "feed_update": "tick"}
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "venv", "site-packages"}


class SetupError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def text(code, message):
    return code, STRING, str(message)[:2000].encode("utf-8", "replace")


def describe(error):
    message = str(error)
    return message if message or isinstance(error, Exception) else type(error).__name__


def base_class(dotted):
    module_name, _, name = dotted.rpartition(".")
    if not module_name:
        raise SetupError(SETUP_FAILED, f"Invalid class name '{dotted}'. Use 'module.ClassName' format.")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise SetupError(BAD_IMPLEMENTATION, error.msg) from error
    if not hasattr(module, name):
        raise SetupError(SETUP_FAILED, f"Class '{name}' not found in module '{module_name}'.")
    found = getattr(module, name)
    if not isinstance(found, type):
        raise SetupError(SETUP_FAILED, f"Object '{name}' in module '{module_name}' is not a class.")
    return found


def module_names(code):
    """Dotted names of all Python files below the code folder, in a fixed order."""
    for folder, folders, files in os.walk(code):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in SKIPPED_FOLDERS)
        prefix = os.path.relpath(folder, code).replace(os.sep, ".")
        prefix = "" if prefix == "." else prefix + "."
        for file in sorted(files):
            stem, extension = os.path.splitext(file)
            if extension == ".py" and stem.isidentifier():
                yield prefix + (stem if stem != "__init__" or not prefix else "").rstrip(".")


def find_class(code, base):
    """The one class of the submission that inherits from `base` and has no heir of its own there."""
    broken, found = [], {}
    for name in module_names(code):
        try:
            module = importlib.import_module(name.rstrip("."))
        except BaseException as error:  # a submission may raise anything, SystemExit included
            traceback.print_exc()
            broken.append(f"{name}: {type(error).__name__}: {error}")
            continue
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value is not base and is_own(value, code):
                found[value] = f"{value.__module__}.{value.__qualname__}"
    leaves = {cls: name for cls, name in found.items() if not any(other is not cls and issubclass(other, cls) for other in found)}
    reasons = f" Files that could not be imported: {'; '.join(broken)}" if broken else ""
    if not leaves:
        raise SetupError(BAD_IMPLEMENTATION, f"No Inherited class found from {base}.{reasons}")
    if len(leaves) > 1:
        names = ", ".join(sorted(leaves.values()))
        raise SetupError(BAD_IMPLEMENTATION, f"Several classes inherit from {base}: {names}. Leave one.{reasons}")
    return next(iter(leaves))


def is_own(cls, code):
    file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    return os.path.abspath(file).startswith(os.path.abspath(code) + os.sep)


class Model:
    def __init__(self, code, values):
        self.code, self.values = code, values
        self.instance, self.methods, self.told = None, {}, set()

    def arguments(self, args, kwargs):
        decode = self.values.decode
        return [decode(*value) for value in args], {key: decode(*value) for key, value in kwargs}

    def setup(self, name, args, kwargs):
        if self.instance is not None:
            return text(OK, "Instance already exists")
        name = name.strip()
        if not name:
            return text(INVALID_ARGUMENT, "class_name cannot be empty")
        try:
            positional, keywords = self.arguments(args, kwargs)
            self.instance = find_class(self.code, base_class(name))(*positional, **keywords)
        except SetupError as error:
            return text(error.code, error)
        except ImportError as error:
            traceback.print_exc()
            return text(BAD_IMPLEMENTATION, error.msg)
        except BaseException as error:  # noqa: B036 the model's own code ran
            traceback.print_exc()
            return text(SETUP_FAILED, describe(error))
        return text(OK, "Instance created successfully")

    def rest(self, *_):
        if self.instance is None:
            return text(OK, "No instance exists to reset")
        self.instance, self.methods = None, {}
        return text(OK, "Instance successfully reset")

    def method(self, name):
        """A public method and the keywords it takes (None: any)."""
        if name not in self.methods:
            public = not name.startswith("_")
            found = getattr(self.instance, name, None) if public else None
            if found is None and name in SAME:
                found = getattr(self.instance, SAME[name], None)
            self.methods[name] = (found, parameters(found)) if callable(found) else None
        return self.methods[name]

    def call(self, name, args, kwargs):
        if self.instance is None:
            return text(NOT_SET_UP, "Setup has not been called yet")
        if name == "":
            return text(INVALID_ARGUMENT, "methodName cannot be empty")
        try:
            method = self.method(name)
            if method is None:
                return text(NO_METHOD, f'Method "{name}" not found in class "{type(self.instance).__name__}"')
            positional, keywords = self.arguments(args, kwargs)
            result = method[0](*positional, **self.wanted(method[1], len(positional), keywords))
            kind, data = self.values.encode(result)
            return OK, kind, data
        except self.values.NotFinite as error:
            return text(NOT_FINITE, error)
        except self.values.TooLarge as error:
            return text(TOO_LARGE, error)
        except BaseException as error:  # noqa: B036 a model may raise anything
            traceback.print_exc()
            return text(FAILED, f"The model raised an exception: {describe(error)}")

    def wanted(self, names, given, keywords):
        """Keywords that the method takes and that no positional argument has filled; the others are named once in the log."""
        if names is None or not keywords:
            return keywords
        open_names = names[given:]
        unused = frozenset(key for key in keywords if key not in open_names)
        if unused and unused not in self.told:
            self.told.add(unused)
            print(f"These parameters are not used by the model: {', '.join(sorted(unused))}.", file=sys.stderr)
        return {key: value for key, value in keywords.items() if key in open_names}


def parameters(method):
    import inspect
    try:
        found = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in found):
        return None
    return [p.name for p in found]

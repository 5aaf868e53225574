"""Finds the participant's class in the files of a submission."""
import importlib
import os
import sys
import types

from host_alarm import Interrupted, print_error
from host_errors import BAD_IMPLEMENTATION, SETUP_FAILED, SetupError, describe

SKIPPED_FOLDERS = {"__pycache__", "node_modules", "venv", "site-packages"}
PACKAGE = "submission"   # under this name files are loaded whose own name belongs to another module, or that import relatively
MAX_REASONS = 8


def base_class(dotted):
    """The competition's class of this full name, which is among the packages or in the model's environment."""
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


def source_files(code):
    """(dotted name, path) of all Python files below the code folder, in a fixed order, the ones nearest to the top first."""
    for folder, folders, files in os.walk(code):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in SKIPPED_FOLDERS)
        prefix = [] if folder == code else os.path.relpath(folder, code).split(os.sep)
        for file in sorted(files):
            stem, extension = os.path.splitext(file)
            if extension != ".py" or not stem.isidentifier():
                continue
            parts = prefix if stem == "__init__" else [*prefix, stem]
            if parts:
                yield ".".join(parts), os.path.join(folder, file)


def load(code, name, path):
    """
    The module of a file, under its own name where that is free: beside a package of the competition with the same name, and
    for a file at the top that imports relatively, it is loaded as a part of the package `submission`.
    """
    try:
        module = importlib.import_module(name)
        if same_file(module, path):
            return module
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        shadowed = missing is not None and (name == missing or name.startswith(missing + "."))
        if not shadowed and "relative import" not in str(error):
            raise
    if PACKAGE not in sys.modules:
        package = sys.modules[PACKAGE] = types.ModuleType(PACKAGE)
        package.__path__ = [code]
    return importlib.import_module(f"{PACKAGE}.{name}")


def same_file(module, path):
    return os.path.abspath(getattr(module, "__file__", None) or "") == path


class Search:
    """The classes of a submission that inherit from `base`, and what could not be imported on the way."""

    def __init__(self, code, base):
        self.code, self.base = os.path.abspath(code), base
        self.found, self.broken = {}, {}

    def look(self, name, path):
        try:
            module = load(self.code, name, path)
        except Interrupted:
            raise
        except BaseException as error:  # noqa: B036 a submission may raise anything, SystemExit included
            print_error()
            self.broken[name] = (path, f"{os.path.relpath(path, self.code)}: {type(error).__name__}: {describe(error)}")
            return
        self.broken.pop(name, None)
        for value in list(vars(module).values()):
            if isinstance(value, type) and value is not self.base and issubclass(value, self.base) and self.is_own(value):
                file = os.path.abspath(sys.modules[value.__module__].__file__)
                # The same file may be loaded under two names: its class counts once.
                self.found.setdefault((file, value.__qualname__), value)

    def is_own(self, cls):
        file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
        return os.path.abspath(file).startswith(self.code + os.sep)

    def leaves(self):
        """Those that have no heir of their own here: a participant's own base class is not the model."""
        every = list(self.found.values())
        return [cls for cls in every if not any(other is not cls and issubclass(other, cls) for other in every)]

    def reasons(self):
        texts = [text for _, text in self.broken.values()]
        if not texts:
            return ""
        more = f"; and {len(texts) - MAX_REASONS} more" if len(texts) > MAX_REASONS else ""
        return f" Files that could not be imported: {'; '.join(texts[:MAX_REASONS])}{more}"


def find_class(code, base, main_file):
    """
    The one class that inherits from `base`: in the main file if it has one, then nothing else is imported; else in any file.
    Raises SetupError with the candidates and the files that could not be imported.
    """
    search = Search(code, base)
    main = os.path.join(search.code, main_file)
    files = list(source_files(search.code))
    for name, path in [each for each in files if each[1] == main]:
        search.look(name, path)
    if not search.found:
        for name, path in files:
            if path != main:
                search.look(name, path)
        # A circle of imports may break when entered at one file and hold when entered at another.
        for name, (path, _) in list(search.broken.items()):
            search.look(name, path)
    if any(path == main for path, _ in search.broken.values()):  # another class than the one meant must not run instead
        raise SetupError(BAD_IMPLEMENTATION, f"{main_file} could not be imported.{search.reasons()}")
    return the_one(search, main, main_file)


def the_one(search, main, main_file):
    leaves = search.leaves()
    if not leaves:
        raise SetupError(BAD_IMPLEMENTATION, f"No Inherited class found from {search.base}.{search.reasons()}")
    in_main = [cls for cls in leaves if same_file(sys.modules[cls.__module__], main)]
    candidates = in_main or leaves
    if len(candidates) > 1:
        names = ", ".join(sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in candidates))
        cure = f"Leave one, or define the one that is meant in {main_file}." if not in_main else f"Leave one in {main_file}."
        raise SetupError(BAD_IMPLEMENTATION, f"Several classes inherit from {search.base}: {names}. {cure}{search.reasons()}")
    return candidates[0]

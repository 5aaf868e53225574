"""Makes one module of a notebook's code cells. Reads JSON from stdin, writes JSON to stdout; runs nothing of what it reads.

Kept: imports, functions, classes, comments, constants in capitals whose value is a literal, and whatever stands between
`# @crunch/keep:on` and `# @crunch/keep:off` of a cell. All else becomes a comment, line by line, so that line numbers stay.
"""
import ast
import json
import re
import sys

KEEP = re.compile(r"^\s*#\s*@crunch/keep:(on|off)\s*$")
MAGIC = re.compile(r"^\s*[%!?]|^\s*pip3?\s+install\b")
INSTALL = re.compile(r"^\s*(?:[%!]{1,2}\s*)?(?:[\w./]*python3?\s+-m\s+)?pip3?\s+install\s+(.*)$")
PYTHON_CELLS = {"time", "timeit", "capture", "prun"}
VERSION = re.compile(r"^(?:(?P<name>[A-Za-z0-9][\w.-]*)\s*)?(?P<extras>\[[\w\s,.-]*\])?\s*(?P<spec>@latest|(?:[<>=!~]=?=?\s*[\w.*+!-]+\s*,?\s*)+)?$")
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Refused(Exception):
    pass


def parsed(lines):
    try:
        return ast.parse("\n".join(lines) + "\n")
    except SyntaxError:
        return None


def blank_magics(lines, installs):
    """The lines that Python can read; the others are remembered as comments by their index."""
    if parsed(lines) is not None:
        return lines, set()  # what looks like a magic is text inside a string
    comments, going = set(), False
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].startswith("%%"):
        name = lines[first][2:].split(maxsplit=1)
        if not name or name[0] not in PYTHON_CELLS:
            return [""] * len(lines), set(range(len(lines)))
    for i, line in enumerate(lines):
        if going or MAGIC.match(line):
            found = INSTALL.match(line)
            if found and not going:
                installs.append(found.group(1))
            elif going and installs and going == "install":
                installs[-1] += " " + line
            going = ("install" if found or going == "install" else "shell") if line.rstrip().endswith("\\") else False
            comments.add(i)
    return ["" if i in comments else line for i, line in enumerate(lines)], comments


def indented_magics(lines):
    """A magic inside a block becomes a `pass`, or the block could be left without a body."""
    def change(line):
        indent = line[:len(line) - len(line.lstrip())]
        return f"{indent}pass  # {line.strip()}" if indent and MAGIC.match(line) and not line.endswith("\\") else line
    return lines if parsed(lines) is not None else [change(line) for line in lines]


def is_constant(node):
    """A literal cannot have a side effect, and a name in capitals says that it is meant to stay."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    if not targets or node.value is None or not all(isinstance(t, ast.Name) and t.id.isupper() for t in targets):
        return False
    try:
        ast.literal_eval(node.value)
        return True
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def first_line(node):
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def kept_ranges(lines):
    """Lines between the marks; a cell that never says off keeps all to its end."""
    kept, on = set(), False
    for i, line in enumerate(lines):
        found = KEEP.match(line)
        if found:
            on = found.group(1) == "on"
        if on:
            kept.add(i)
    return kept


def import_requirements(node, line, wanted):
    """`import pandas # == 1.3`, `import pyemd # EMD-signal @latest`; a comment of another shape is a comment."""
    code, mark, comment = line.partition("#")
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""] if node.level == 0 else []
    if not mark or len(names) != 1:
        return
    found = VERSION.match(comment.strip())
    top = names[0].split(".")[0]
    if not found or not (found["spec"] or found["extras"]) or top in sys.stdlib_module_names:
        return
    spec = "" if (found["spec"] or "@latest") == "@latest" else re.sub(r"\s+", "", found["spec"]).rstrip(",")
    text = (found["name"] or top) + re.sub(r"\s+", "", found["extras"] or "") + spec
    if wanted.setdefault(top, text) != text:
        raise Refused(f"{top} is imported with different versions: {wanted[top]} and {text}. Leave one.")


def convert_cell(number, lines, installs, wanted, futures):
    lines = indented_magics(lines)
    source, comments = blank_magics(lines, installs)
    try:
        tree = ast.parse("\n".join(source) + "\n")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise Refused(f"Code cell {number}{where} is no Python: {reason}.") from error
    kept = kept_ranges(lines)
    for node in tree.body:
        span = range(first_line(node) - 1, node.end_lineno)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            futures.update(alias.name for alias in node.names)  # stands first in a file, or nowhere
        elif isinstance(node, KEPT) or is_constant(node):
            kept.update(span)  # `import os; run()` stays whole
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                import_requirements(node, lines[node.end_lineno - 1], wanted)
            continue
        comments.update(span)
    comments -= kept
    return [f"#{line}" if i in comments and line.strip() else line for i, line in enumerate(lines)]


def main():
    cells = json.load(sys.stdin)
    installs, wanted, futures, parts = [], {}, set(), []
    try:
        for number, text in enumerate(cells, 1):
            parts.append("\n".join(convert_cell(number, text.splitlines(), installs, wanted, futures)).strip("\n"))
        head = [f"from __future__ import {', '.join(sorted(futures))}"] if futures else []
        answer = {"source": "\n\n\n".join([*head, *filter(None, parts)]) + "\n",
                  "installs": installs, "requirements": list(wanted.values())}
    except Refused as refused:
        answer = {"problem": str(refused)}
    json.dump(answer, sys.stdout)


main()

"""What a callable is called in the log: "module:function", and a version that changes with its source."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

DIGITS = 16


def name_of(function: Callable[..., Any]) -> str:
    bare = _bare(function)
    kind = type(bare)
    module = getattr(bare, "__module__", None) or kind.__module__
    return (
        f"{_imported() if module == '__main__' else module}:{getattr(bare, '__qualname__', None) or kind.__qualname__}"
    )


def _imported() -> str:
    """What the program's own file is called when it is imported, so that a script and a server name its functions alike."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    return spec.name if spec is not None else Path(file).stem if file else "__main__"


def version_of(function: Callable[..., Any]) -> str:
    """16 hex digits over the callable's name and its source, where there is one: without comments, layout and decorators, so
    that another deadline is no other version. What it reads from elsewhere, weights say, does not count.
    """
    bare = _bare(function)
    parts = (name_of(function), _source(bare if hasattr(bare, "__code__") else type(bare)))
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:DIGITS]


def _bare(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = cast("Callable[..., Any]", function.func)  # type: ignore[redundant-cast]
    return cast("Callable[..., Any]", inspect.unwrap(function))


def _source(held: Any) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(held))
    except (OSError, TypeError):  # made at a prompt, or not in Python
        return ""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a lambda in the middle of a call
        return source
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.decorator_list = []
    return ast.dump(tree)

"""One text on its way to the tree of a row expression; what it may say stands in `lockgate.features.expression`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from lockgate.errors import SpecError, unknown
from lockgate.features.functions import FUNCTIONS
from lockgate.features.tree import (
    Among,
    Apply,
    Arithmetic,
    Compare,
    Comparison,
    Constant,
    Expression,
    Fill,
    IsNull,
    Join,
    Name,
    Not,
    Operation,
    Type,
    When,
)
from lockgate.features.written_call import called, chain, dots, is_in_chain, is_polars
from lockgate.records.contract import ColumnType

LONGEST = 2000
DEEPEST = 60

_COMPARISONS: dict[type[ast.cmpop], Comparison] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_OPERATIONS: dict[type[ast.operator], Operation] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_POWERS: dict[type[ast.operator], str] = {ast.Mod: "%", ast.Pow: "**"}
_TYPES: dict[ColumnType, Type] = {"int": "number", "float": "number", "bool": "bool", "text": "text", "time": "time"}
_READABLE = (
    ast.Name,
    ast.Constant,
    ast.BoolOp,
    ast.UnaryOp,
    ast.BinOp,
    ast.Compare,
    ast.Call,
    ast.Tuple,
    ast.List,
    ast.Set,
)
_SPECIAL = ("col", "is_null", "is_not_null", "is_in", "fill_null", "clip", "when", "then", "otherwise")
_NAMED = tuple(name for name in FUNCTIONS if name.isidentifier())
_KNOWN = (
    'numbers, text, and, or, not, in, < <= > >= == !=, + - * / % **, col("a name"), is_null(x), is_not_null(x), '
    "fill_null(x, y), clip(x, low, high), when(c).then(x).otherwise(y), "
    + ", ".join(f"{name}(x{', y' * (len(FUNCTIONS[name].takes) - 1)})" for name in _NAMED)
)


class Reader:
    """Reads one text. place: what it is, in a refusal: The rule 'x', say."""

    def __init__(self, text: str, types: Mapping[str, ColumnType], place: str) -> None:
        self._text = text
        self._types = types
        self._place = place

    def read(self) -> Expression:
        return self._of(self._parsed(), 0)

    def columns(self) -> tuple[str, ...]:
        """The columns that the text reads, whatever their types, each once."""
        tree = self._parsed()
        functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        found: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node).function == "col":
                found += [
                    one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
                ]
            elif isinstance(node, ast.Name) and id(node) not in functions and not is_polars(node, tree):
                found.append(node.id)
        return tuple(dict.fromkeys(found))

    def refuse_unknown_words(self) -> None:
        tree = self._parsed()
        may_stand = set(map(id, dots(tree)))
        for node in ast.walk(tree):
            if isinstance(node, ast.expr) and not isinstance(node, _READABLE) and id(node) not in may_stand:
                raise self._refused(node, f"{_called(node)} has no place in a row expression", _cure())
            if isinstance(node, ast.Call):
                self._function(node)

    def _parsed(self) -> ast.expr:
        if len(self._text) > LONGEST:
            raise SpecError(
                f"{self._place} is {len(self._text):,} characters long.", cure=f"Write at most {LONGEST:,}."
            )
        try:
            return ast.parse(self._text.replace("\n", " ").strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            at, said = "", "it lies too deep, or is no text"
            if isinstance(error, SyntaxError):
                at, said = f" at character {error.offset}" if error.offset else " at its end", error.msg
            raise SpecError(f"{self._place}, {self._text!r}, cannot be read{at}: {said}.", cure=_cure()) from error

    def _of(self, node: ast.expr, depth: int) -> Expression:
        if depth > DEEPEST:
            raise self._refused(node, "brackets lie too deep", "Split it into several rules.")
        below = depth + 1
        match node:
            case ast.Name():
                return self._column(node, node.id)
            case ast.Constant():
                return self._constant(node)
            case ast.BoolOp():
                parts = tuple(self._typed(part, "bool", below) for part in node.values)
                return Join(op="and" if isinstance(node.op, ast.And) else "or", parts=parts)
            case ast.UnaryOp():
                return self._unary(node, below)
            case ast.BinOp():
                return self._binary(node, below)
            case ast.Compare():
                return self._compare(node, below)
            case ast.Call():
                return self._call(node, below)
            case _:
                raise self._refused(node, f"{_called(node)} has no place in a row expression", _cure())

    def _column(self, node: ast.expr, name: str) -> Name:
        if name not in self._types:
            raise self._refused(node, unknown("column", name, self._types).rstrip("."), "")
        return Name(name=name, type=_TYPES[self._types[name]])

    def _constant(self, node: ast.Constant) -> Constant:
        value = node.value
        if isinstance(value, bool):
            return Constant(value=value, type="bool")
        if isinstance(value, str):
            return Constant(value=value, type="text")
        if isinstance(value, int | float) and abs(value) < 1e308:
            return Constant(value=float(value), type="number")
        if value is None:
            raise self._refused(node, "nothing can be compared with None", "Write is_null(x) or is_not_null(x).")
        raise self._refused(node, "this is no number, text, True or False", _cure())

    def _unary(self, node: ast.UnaryOp, depth: int) -> Expression:
        if isinstance(node.op, ast.Not | ast.Invert):
            return Not(item=self._typed(node.operand, "bool", depth))
        item = self._typed(node.operand, "number", depth)
        if isinstance(node.op, ast.UAdd):
            return item
        if isinstance(item, Constant) and not isinstance(item.value, str | None):
            return Constant(value=-item.value, type="number")
        return Arithmetic(op="-", left=Constant(value=0.0, type="number"), right=item)

    def _binary(self, node: ast.BinOp, depth: int) -> Expression:
        left, right = self._of(node.left, depth), self._of(node.right, depth)
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            op: Literal["and", "or"] = "and" if isinstance(node.op, ast.BitAnd) else "or"
            if left.type != "bool" or right.type != "bool":
                raise self._refused(node, "& and | join conditions", "Put brackets round each side, or write and, or.")
            return Join(op=op, parts=(left, right))
        if type(node.op) in _POWERS:
            self._refuse_other(node.left, left, "number")
            self._refuse_other(node.right, right, "number")
            return Apply(function=_POWERS[type(node.op)], items=(left, right), type="number")
        if type(node.op) not in _OPERATIONS:
            raise self._refused(node, f"{_called(node.op)} is no operation of a row expression", _cure())
        operation = _OPERATIONS[type(node.op)]
        return Arithmetic(op=operation, left=left, right=right, type=self._reckoned(node, operation, left, right))

    def _reckoned(self, node: ast.expr, op: Operation, left: Expression, right: Expression) -> Type:
        found: dict[tuple[Type, Operation, Type], Type] = {
            ("time", "-", "time"): "number",
            ("time", "-", "number"): "time",
            ("time", "+", "number"): "time",
            ("number", "+", "time"): "time",
        }
        if left.type == right.type == "number":
            return "number"
        if (left.type, op, right.type) not in found:
            raise self._refused(
                node, f"{titled(left)} {op} {titled(right)} means nothing", "Reckon with numbers and times."
            )
        return found[left.type, op, right.type]

    def _compare(self, node: ast.Compare, depth: int) -> Expression:
        sides = [node.left, *node.comparators]
        found = [
            self._pair(node, op, left, right, depth)
            for op, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True)
        ]
        return found[0] if len(found) == 1 else Join(op="and", parts=tuple(found))

    def _pair(self, node: ast.Compare, op: ast.cmpop, left: ast.expr, right: ast.expr, depth: int) -> Expression:
        if isinstance(op, ast.In | ast.NotIn):
            among = self._among(left, right, depth)
            return among if isinstance(op, ast.In) else Not(item=among)
        if type(op) not in _COMPARISONS:
            raise self._refused(node, "`is` compares no values", "Write is_null(x), or == and !=.")
        one, other = self._alike(node, self._of(left, depth), self._of(right, depth))
        comparison = _COMPARISONS[type(op)]
        if one.type in ("text", "bool") and comparison not in ("==", "!="):
            raise self._refused(node, f"{titled(one)} has no order", "Use == and != here, or in (...).")
        return Compare(op=comparison, left=one, right=other)

    def _among(self, left: ast.expr, right: ast.expr, depth: int) -> Among:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise self._refused(right, "`in` wants its values written out", 'Write x in ("a", "b").')
        item = self._of(left, depth)
        values: list[float | bool | str] = []
        for element in right.elts:
            _, value = self._alike(element, item, self._of(element, depth))
            if not isinstance(value, Constant) or value.value is None:
                raise self._refused(element, "`in` wants values, not columns", "Write x == a or x == b.")
            values.append(value.value)
        return Among(item=item, values=tuple(values))

    def _alike(self, node: ast.expr, left: Expression, right: Expression) -> tuple[Expression, Expression]:
        """Both sides of one type; a text beside a time is read as a time."""
        if left.type == "time":
            right = self._as_time(node, right)
        if right.type == "time":
            left = self._as_time(node, left)
        if left.type != right.type:
            cure = "Write the column alone, or not before it." if "bool" in (left.type, right.type) else ""
            cure = cure or "Compare numbers with numbers, text with text, times with times."
            raise self._refused(node, f"{titled(left)} cannot be compared with {titled(right)}", cure)
        return left, right

    def _as_time(self, node: ast.expr, side: Expression) -> Expression:
        if not isinstance(side, Constant) or not isinstance(side.value, str):
            return side
        cure = 'Write it with its offset: "2026-01-31T12:00:00Z".'
        try:
            moment = datetime.fromisoformat(side.value)
        except ValueError as error:
            raise self._refused(node, f"{side.value!r} is no time", cure) from error
        if moment.tzinfo is None:
            raise self._refused(node, f"{side.value!r} says no offset", cure)
        return Constant(value=moment.timestamp(), type="time")

    def _call(self, node: ast.Call, depth: int) -> Expression:
        function, arguments = self._function(node), called(node).arguments
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in arguments):
            raise self._refused(node, f"{function}(...) takes its things one by one, without names", "")
        if function == "col":
            return self._col(node, arguments)
        if is_in_chain(function):
            return self._when(node, depth)
        if function == "is_in":
            self._refuse_other_count(node, function, arguments, 2)
            return self._among(arguments[0], arguments[1], depth)
        if function == "fill_null":
            self._refuse_other_count(node, function, arguments, 2)
            item, otherwise = self._alike(node, *(self._of(argument, depth) for argument in arguments))
            return Fill(item=item, otherwise=otherwise, type=item.type)
        if function in ("is_null", "is_not_null"):
            self._refuse_other_count(node, function, arguments, 1)
            null = IsNull(item=self._of(arguments[0], depth))
            return null if function == "is_null" else Not(item=null)
        return self._apply(node, function, arguments, depth)

    def _col(self, node: ast.Call, arguments: list[ast.expr]) -> Name:
        self._refuse_other_count(node, "col", arguments, 1)
        (argument,) = arguments
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            raise self._refused(node, "col(...) takes a column's name in quotes", 'Write col("a name").')
        return self._column(node, argument.value)

    def _apply(self, node: ast.Call, function: str, arguments: list[ast.expr], depth: int) -> Expression:
        if function == "clip":
            self._refuse_other_count(node, function, arguments, 3)
            item, low, high = (self._typed(argument, "number", depth) for argument in arguments)
            return _applied("min", _applied("max", item, low), high)
        takes: tuple[Type, ...] = FUNCTIONS[function].takes
        if function not in ("min", "max"):
            self._refuse_other_count(node, function, arguments, len(takes))
        elif len(arguments) < 2:
            raise self._refused(node, f"{function}(...) takes two things or more", f"Write {function}(x, y).")
        else:
            takes = tuple(takes[0] for _ in arguments)
        first, *more = [self._typed(argument, kind, depth) for argument, kind in zip(arguments, takes, strict=True)]
        if function in ("min", "max"):
            for other in more:
                first = _applied(function, first, other)
            return first
        return _applied(function, first, *more)

    def _when(self, node: ast.Call, depth: int) -> When:
        found = chain(node)
        cure = "Write when(x > 1).then(2).otherwise(0); otherwise(None) leaves it missing."
        if found is None or found.otherwise is None:
            raise self._refused(node, "this `when` does not say what is true otherwise", cure)
        values = [self._value(one, depth) for one in (*(value for _, value in found.cases), found.otherwise)]
        known = next((one for one in values if one is not None), None)
        if known is None:
            raise self._refused(node, "this `when` has no value in any case", cure)
        # The first known value says what the others are; a text among times is read as one.
        known = next((one for one in values if one is not None and one.type == "time"), known)
        nothing = Constant(value=None, type=known.type)
        alike = [nothing if one is None else self._alike(node, known, one)[1] for one in values]
        conditions = [self._typed(condition, "bool", depth) for condition, _ in found.cases]
        return When(cases=tuple(zip(conditions, alike[:-1], strict=True)), otherwise=alike[-1], type=known.type)

    def _value(self, node: ast.expr, depth: int) -> Expression | None:
        """What a case of `when` gives; None where it is written so."""
        return None if isinstance(node, ast.Constant) and node.value is None else self._of(node, depth)

    def _function(self, node: ast.Call) -> str:
        function = called(node).function
        if function not in FUNCTIONS and function not in _SPECIAL:
            what = f"{function}(...)" if function else "a call of this kind"
            raise self._refused(node, f"{what} is no function of a row expression", _cure())
        assert function is not None
        return function

    def _refuse_other_count(self, node: ast.Call, function: str, arguments: list[ast.expr], wanted: int) -> None:
        if len(arguments) != wanted:
            written = ", ".join(("x", "y", "z")[:wanted])
            count = ("no", "one thing", "two things", "three things")[wanted]
            raise self._refused(node, f"{function}(...) takes {count}", f"Write {function}({written}).")

    def _typed(self, node: ast.expr, wanted: Type, depth: int) -> Expression:
        found = self._of(node, depth)
        self._refuse_other(node, found, wanted)
        return found

    def _refuse_other(self, node: ast.expr, found: Expression, wanted: Type) -> None:
        if found.type != wanted:
            needs = "a condition" if wanted == "bool" else _KINDS[wanted]
            cure = "Write when(x).then(1).otherwise(0)." if (found.type, wanted) == ("bool", "number") else ""
            raise self._refused(node, f"{needs} is needed here, and this is {titled(found)}", cure)

    def _refused(self, node: ast.AST, why: str, cure: str) -> SpecError:
        at = getattr(node, "col_offset", None)
        where = "" if at is None else f", character {at + 1}"
        return SpecError(f"{self._place}, {self._text!r}{where}: {why}.", cure=cure, place=self._place)


def _cure() -> str:
    return f"What may be written: {_KNOWN}."


def _called(node: ast.AST) -> str:
    return {"Lambda": "a lambda", "Attribute": "a dot", "Subscript": "a bracket", "JoinedStr": "an f-string"}.get(
        type(node).__name__, type(node).__name__
    )


_KINDS: dict[Type, str] = {"number": "a number", "bool": "true or false", "text": "text", "time": "a time"}


def _applied(function: str, *items: Expression) -> Apply:
    return Apply(function=function, items=items, type=FUNCTIONS[function].gives)


def titled(tree: Expression) -> str:
    kind = _KINDS[tree.type]
    return f"{tree.name} ({kind})" if isinstance(tree, Name) else kind

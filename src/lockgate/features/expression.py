"""Row expressions: a condition or a number over the columns of one row, read from text into a small typed tree.

Written as Python and Polars write it: `arrives_at >= asked_at`, `seats > 0 and distance < 5000`, `carrier in ("AA", "UA")`,
`is_null(wait) or 0 <= wait`, `col("sepal length (cm)") * 2 > 1`. Nothing in the text is ever run: it is parsed, and what
is not on this page is refused by its place.

Meaning, the same for a table, for `Columns` and for one row (`lockgate.features.lower`):

- numbers are float64; a time is seconds since 1970, UTC, and a text beside a time is read as one;
- NaN is missing, and so is what has no value (0 / 0, infinity - infinity, anything divided by zero);
- missing compared or reckoned with anything is missing; `and`, `or`, `not` take it as unknown (Kleene's logic);
- text is equal or not, and has no order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from lockgate.errors import SpecError, unknown
from lockgate.records import Record
from lockgate.records.contract import ColumnType

Type = Literal["number", "bool", "text", "time"]
Comparison = Literal["<", "<=", ">", ">=", "==", "!="]
Operation = Literal["+", "-", "*", "/"]
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
_KNOWN = 'numbers, text, and, or, not, in, < <= > >= == !=, + - * /, is_null(x), is_not_null(x), abs(x), col("a name")'


class Name(Record, tag_field="node", tag="name", frozen=True, kw_only=True):
    """A column's value."""

    name: str
    type: Type


class Constant(Record, tag_field="node", tag="constant", frozen=True, kw_only=True):
    """A number, a text, true or false, or a time in seconds since 1970, UTC."""

    value: float | bool | str
    type: Type


class Arithmetic(Record, tag_field="node", tag="arithmetic", frozen=True, kw_only=True):
    op: Operation
    left: Expression
    right: Expression
    type: Type = "number"


class Absolute(Record, tag_field="node", tag="absolute", frozen=True, kw_only=True):
    item: Expression
    type: Type = "number"


class Compare(Record, tag_field="node", tag="compare", frozen=True, kw_only=True):
    op: Comparison
    left: Expression
    right: Expression
    type: Type = "bool"


class Among(Record, tag_field="node", tag="among", frozen=True, kw_only=True):
    """Whether `item` is one of `values`."""

    item: Expression
    values: tuple[float | bool | str, ...]
    type: Type = "bool"


class Join(Record, tag_field="node", tag="join", frozen=True, kw_only=True):
    op: Literal["and", "or"]
    parts: tuple[Expression, ...]
    type: Type = "bool"


class Not(Record, tag_field="node", tag="not", frozen=True, kw_only=True):
    item: Expression
    type: Type = "bool"


class IsNull(Record, tag_field="node", tag="is_null", frozen=True, kw_only=True):
    item: Expression
    type: Type = "bool"


Expression = Name | Constant | Arithmetic | Absolute | Compare | Among | Join | Not | IsNull


def parse(text: str, types: Mapping[str, ColumnType], *, place: str = "The expression") -> Expression:
    """The tree of a text over columns of these types. Raises SpecError naming the place in the text, and the cure."""
    return _Reader(text, types, place).read()


def condition(text: str, types: Mapping[str, ColumnType], *, place: str = "The rule") -> Expression:
    """The same, of a text that is true or false of a row."""
    found = parse(text, types, place=place)
    if found.type != "bool":
        raise SpecError(
            f"{place}, {text!r}, is {_a(found)}, and a rule is true or false.", cure="Compare it: x >= 0, say."
        )
    if not names(found):
        raise SpecError(f"{place}, {text!r}, reads no column.", cure="Say something of a row: x >= 0, say.")
    return found


def refuse_unreadable(text: str, *, place: str = "The rule") -> None:
    """The part of `parse` that needs no columns: raises SpecError where the text could be no expression over any."""
    _Reader(text, {}, place).refuse_unknown_words()


def names(tree: Expression) -> tuple[str, ...]:
    """The columns that a tree reads, each once, in order."""
    return tuple(dict.fromkeys(_names(tree)))


def _names(tree: Expression) -> Iterator[str]:
    match tree:
        case Name():
            yield tree.name
        case Constant():
            return
        case Arithmetic() | Compare():
            yield from _names(tree.left)
            yield from _names(tree.right)
        case Join():
            for part in tree.parts:
                yield from _names(part)
        case Absolute() | Among() | Not() | IsNull():
            yield from _names(tree.item)


class _Reader:
    """One text on its way to a tree."""

    def __init__(self, text: str, types: Mapping[str, ColumnType], place: str) -> None:
        self._text = text
        self._types = types
        self._place = place

    def read(self) -> Expression:
        return self._of(self._parsed(), 0)

    def refuse_unknown_words(self) -> None:
        for node in ast.walk(self._parsed()):
            if isinstance(node, ast.expr) and not isinstance(node, _READABLE):
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
        if isinstance(item, Constant):
            return Constant(value=-float(item.value), type="number")
        return Arithmetic(op="-", left=Constant(value=0.0, type="number"), right=item)

    def _binary(self, node: ast.BinOp, depth: int) -> Expression:
        left, right = self._of(node.left, depth), self._of(node.right, depth)
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            op: Literal["and", "or"] = "and" if isinstance(node.op, ast.BitAnd) else "or"
            if left.type != "bool" or right.type != "bool":
                raise self._refused(node, "& and | join conditions", "Put brackets round each side, or write and, or.")
            return Join(op=op, parts=(left, right))
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
            raise self._refused(node, f"{_a(left)} {op} {_a(right)} means nothing", "Reckon with numbers and times.")
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
            raise self._refused(node, f"{_a(one)} has no order", "Use == and != here, or in (...).")
        return Compare(op=comparison, left=one, right=other)

    def _among(self, left: ast.expr, right: ast.expr, depth: int) -> Among:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise self._refused(right, "`in` wants its values written out", 'Write x in ("a", "b").')
        item = self._of(left, depth)
        values: list[float | bool | str] = []
        for element in right.elts:
            _, value = self._alike(element, item, self._of(element, depth))
            if not isinstance(value, Constant):
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
            raise self._refused(node, f"{_a(left)} cannot be compared with {_a(right)}", cure)
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
        function = self._function(node)
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise self._refused(node, f"{function}(...) takes one thing", f"Write {function}(x).")
        (argument,) = node.args
        if function == "col":
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise self._refused(node, "col(...) takes a column's name in quotes", 'Write col("a name").')
            return self._column(node, argument.value)
        if function == "abs":
            return Absolute(item=self._typed(argument, "number", depth))
        null = IsNull(item=self._of(argument, depth))
        return null if function == "is_null" else Not(item=null)

    def _function(self, node: ast.Call) -> str:
        function = node.func.id if isinstance(node.func, ast.Name) else None
        if function not in ("is_null", "is_not_null", "abs", "col"):
            what = f"{function}(...)" if function else "a call of this kind"
            raise self._refused(node, f"{what} is no function of a row expression", _cure())
        return function

    def _typed(self, node: ast.expr, wanted: Type, depth: int) -> Expression:
        found = self._of(node, depth)
        if found.type != wanted:
            needs = "a condition is needed here" if wanted == "bool" else "a number is needed here"
            raise self._refused(node, f"{needs}, and this is {_a(found)}", "")
        return found

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


def _a(tree: Expression) -> str:
    kind = {"number": "a number", "bool": "true or false", "text": "text", "time": "a time"}[tree.type]
    return f"{tree.name} ({kind})" if isinstance(tree, Name) else kind

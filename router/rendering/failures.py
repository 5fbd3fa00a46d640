"""What Python says of an expression that fails, in the words of those who write templates. Pure.

They know texts, numbers, lists and objects, and nothing of Python: neither its kinds of errors nor its types are told.
"""

from __future__ import annotations

import re

from router.rendering.markup import TextLines

_KINDS = {
    "bool": "true or false",
    "builtin_function_or_method": "a function",
    "dict": "an object",
    "float": "a number",
    "function": "a function",
    "int": "a number",
    "list": "a list",
    "LoopContext": "a loop",
    "NoneType": "null",
    "range": "a list",
    "str": "a text",
    TextLines.__name__: "a text",
    "tuple": "a list",
}
_TYPE = re.compile(rf"['\"]?\b({'|'.join(_KINDS)})\b['\"]?( object\b)?")

_CALL = re.compile(
    r"(?P<callee>\S+)\(\) (?:takes .*argument|missing \d|got an unexpected|got multiple)|\bexpected at (?:least|most)\b"
)
"""What Python says of a call with arguments that do not fit."""
_CALLED_AS_IT_IS = re.compile(r"(?:_|(?:sync_)?do_)?(?!as_text|len)([a-z]\w*)")
"""Functions that are called as their filter is, but for what stands before; of others the name says nothing."""

_OF_PYTHON = re.compile(r"__\w|<string>")


def kind_in_words(value: object) -> str:
    """What a value is."""
    return _KINDS.get(type(value).__name__, "a value")


def failure_in_words(error: Exception) -> str:
    """Why an expression has no value."""
    match error:
        case ZeroDivisionError():
            return "a division by zero"
        case OverflowError():
            return "a number is too large"
        case TypeError() if call := _CALL.search(str(error)):
            called = _CALLED_AS_IT_IS.fullmatch(call["callee"] or "")
            who = f"`{called[1]}`" if called else "a filter or test"
            return f"{who} is given what it does not take, or not what it needs"
        case TypeError() | AttributeError():
            said = _TYPE.sub(lambda found: _KINDS[found[1]], str(error))
            return f"a value is of a kind that does not fit{'' if _OF_PYTHON.search(said) else f': {said}'}"
        case _:
            return f"an expression fails: {error}"

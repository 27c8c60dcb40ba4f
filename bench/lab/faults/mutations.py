"""Damage to a file: of what JSON holds, of its text, and of any bytes."""

import copy
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

HOSTILE: tuple[Any, ...] = (
    *(None, True, [], {}, "", "x", [None], {"x": None}, [[]], "ok", "1"),
    *(-1, 0, 1, 0.0, -0.5, 1e-320, 1e308, 2**31, 2**63, -(2**64), 10**30, 1e400),
    *(math.nan, math.inf, -math.inf),
    *("=cmd|'/c calc'!A1", "+1+1", "@SUM(A1)", "\t=1", "\r=1"),
    "<script>document.title='ran'</script>",
    "\"><img src=x onerror=document.title='ran'>",
    "</script><script>document.title='ran'</script>",
    "[x](javascript:document.title='ran')",
    "{{ 7 * 7 }}{% for x in y %}",
    *("\x1b[31mred", "\x1b]0;title\x07", "a\x00b", "\x9b2J", "\u202ereversed", "two\nlines\r\n"),
    *("../../../../tmp/x", "/dev/full", "a/b", ".", "..", "C:\\x", "%s%n{0}{x}", "[bold]x[/]"),
    *("long " * 2000, "ä" * 300, "中", "\ud800", "-1", "nan", "0001-01-01", "9999-12-31T23:59:59"),
)
"""Values that something is replaced by."""

SCHEMAS = (0, 1, 2, 3, 4, 5, 6, 7, 99, -1, "6", None, 6.0, True)

DEEP = 20_000
HUGE_COPIES = 200


def damaged(document: object, random: Random) -> tuple[str, bytes]:
    """Return what was done to a document, and its JSON."""
    made = copy.deepcopy(document)
    chosen = random.choices(INSIDE, WEIGHTS, k=random.choice((1, 1, 1, 2, 3)))
    done = [damage(made, random) for damage in chosen]
    text = json.dumps(made).encode()
    if random.random() < 0.2:
        what, text = damaged_bytes(text, random)
        done.append(what)
    return "; ".join(done), text


def _replace(document: object, random: Random) -> str:
    holder, key, path = _somewhere(document, random)
    holder[key] = copy.deepcopy(random.choice(HOSTILE))
    return f"{path} = {_shown(holder[key])}"


def _delete(document: object, random: Random) -> str:
    holder, key, path = _somewhere(document, random)
    del holder[key]
    return f"{path} deleted"


def _rename(document: object, random: Random) -> str:
    holder, key, path = _somewhere(document, random)
    if not isinstance(holder, dict):
        return _replace(document, random)
    name = str(random.choice([x for x in HOSTILE if isinstance(x, str)]))
    holder[name] = holder.pop(key)
    return f"{path} is called {_shown(name)}"


def _repeat(document: object, random: Random) -> str:
    holder, key, path = _somewhere(document, random)
    if not isinstance(holder[key], list) or not holder[key]:
        return _replace(document, random)
    times = random.choice((0, 2, 2, 3, HUGE_COPIES if len(holder[key]) < 50 else 2))
    holder[key] = copy.deepcopy(holder[key]) * times
    return f"{path} {times} times"


def _swap(document: object, random: Random) -> str:
    one, key, path = _somewhere(document, random)
    other, other_key, other_path = _somewhere(document, random)
    value = copy.deepcopy(one[key])
    one[key] = copy.deepcopy(other[other_key])
    if other_key in other if isinstance(other, dict) else other_key < len(other):
        other[other_key] = value
    return f"{path} and {other_path} exchanged"


def _other_kind(document: object, random: Random) -> str:
    holder, key, path = _somewhere(document, random)
    old = holder[key]
    kinds: tuple[Callable[[Any], Any], ...] = (
        str, lambda x: [x], lambda x: {"x": x}, lambda x: list(x) if isinstance(x, dict) else None,
        lambda x: -x if isinstance(x, int | float) else repr(x),
        lambda x: float(x) if isinstance(x, int) else x,
    )  # fmt: skip
    number = random.randrange(len(kinds))
    holder[key] = kinds[number](old)
    return f"{path} of another kind: {_shown(holder[key])}"


def _schema(document: object, random: Random) -> str:
    places = [x for x in _mappings(document) if "schema" in x]
    if not places:
        return _replace(document, random)
    chosen = random.choice(places)
    chosen["schema"] = random.choice(SCHEMAS)
    return f"schema {chosen['schema']!r}"


INSIDE: tuple[Callable[[object, Random], str], ...] = (
    *(_replace, _delete, _rename, _repeat, _swap, _other_kind, _schema),
)
WEIGHTS = (8, 3, 1, 1, 2, 3, 1)


def damaged_bytes(content: bytes, random: Random) -> tuple[str, bytes]:
    """Return what was done to bytes that need not be JSON, and the bytes."""
    return random.choice(OUTSIDE)(content, random)


def _cut(content: bytes, random: Random) -> tuple[str, bytes]:
    left = random.randrange(len(content) + 1)
    return f"cut to {left} bytes", content[:left]


def _flip(content: bytes, random: Random) -> tuple[str, bytes]:
    flipped = bytearray(content or b"x")
    count = random.choice((1, 1, 4, 50))
    for _ in range(count):
        flipped[random.randrange(len(flipped))] = random.randrange(256)
    return f"{count} bytes changed", bytes(flipped)


def _insert(content: bytes, random: Random) -> tuple[str, bytes]:
    at = random.randrange(len(content) + 1)
    extra = random.choice((b"\x00", b"\xff\xfe", b"\x1b[2J", b"[" * DEEP, b'{"a":' * DEEP, b"NaN"))
    return f"{extra[:6]!r}... inserted at {at}", content[:at] + extra + content[at:]


def _wrap(content: bytes, random: Random) -> tuple[str, bytes]:
    depth = random.choice((1, 900, 1100, DEEP))
    return f"in {depth} lists", b"[" * depth + content + b"]" * depth


def _move(content: bytes, random: Random) -> tuple[str, bytes]:
    start, stop = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return f"{start} to {stop} left out", content[:start] + content[stop:]


def _encode(content: bytes, random: Random) -> tuple[str, bytes]:
    name = random.choice(("utf-16", "utf-8-sig", "utf-32"))
    return f"as {name}", content.decode(errors="replace").encode(name, errors="replace")


OUTSIDE = (_cut, _cut, _flip, _flip, _insert, _wrap, _move, _encode)


def _somewhere(document: object, random: Random) -> tuple[Any, Any, str]:
    """Return a place in a document: what holds it, its key, and the path to it.

    Every level is as likely as the others, however many numbers a list has.
    """
    holder: Any = document
    path = ""
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            holder["x"] = None
            keys = ["x"]
        key = random.choice(keys)
        path += f"/{_shown(key)}"
        inner = holder[key]
        if not (isinstance(inner, dict | list) and inner) or random.random() < 0.15:
            return holder, key, path
        holder = inner


def _mappings(document: object) -> list[dict[str, Any]]:
    found = [document] if isinstance(document, dict) else []
    inner = document.values() if isinstance(document, dict) else document
    if isinstance(document, dict | list):
        for each in list(inner)[:100]:  # type: ignore[call-overload]  # of either
            found += _mappings(each)
    return found


def _shown(value: object) -> str:
    return ascii(value)[:60]

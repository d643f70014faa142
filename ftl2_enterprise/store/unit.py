"""Units of work: named functions of a transaction and plain values, which another process may execute.

A process that writes directly calls the function in its own transaction. A process of the service submits the name
and the encoded arguments to the writer instead, which executes what several processes have submitted in one commit.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, NotRequired, Protocol, TypedDict, cast, get_type_hints

import msgspec

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.value import Value
from ftl2_enterprise.store.columns import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

PACKAGE = "ftl2_enterprise."

UNITS: dict[str, Unit[..., Any]] = {}
"""Every unit of the modules that were imported, by name."""


@dataclass(frozen=True, eq=False)
class Unit[**P, R]:
    """A function that is a unit of work; called like the function itself, so that units can be composed of units."""

    name: str
    function: Callable[Concatenate[Tx, P], R]

    def __call__(self, tx: Tx, *args: P.args, **kwargs: P.kwargs) -> R:
        """Execute it in this transaction."""
        return self.function(tx, *args, **kwargs)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> UnitCall:
        """The unit with its arguments, to be executed later."""
        return UnitCall(self, args, kwargs)

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """The arguments as msgpack. Raises TypeError when the function does not take them."""
        given = {**dict(zip(self._names, args, strict=False)), **kwargs}
        if len(given) != len(args) + len(kwargs) or not self._needed <= given.keys() <= self._known:
            raise TypeError(f"the unit {self.name} takes {', '.join(self._names)}, not {', '.join(given)}")
        try:
            return _encoder.encode(given)
        except (TypeError, ValueError, OverflowError):
            # Texts and numbers of any origin: what cannot be encoded is changed as it would be when it is stored.
            return _encoder.encode(plain(given))

    def decode(self, arguments: bytes | memoryview) -> dict[str, Any]:
        """The arguments by name. Raises msgspec.ValidationError when the function does not accept them."""
        return self._decoder.decode(arguments)

    def encode_result(self, result: R) -> bytes:
        """The result of the function as msgpack."""
        try:
            return _encoder.encode(result)
        except (TypeError, ValueError, OverflowError):
            return _encoder.encode(plain(result))

    def decode_result(self, result: bytes | memoryview) -> R:
        """The result of the function, from msgpack."""
        return self._result_decoder.decode(result)

    @cached_property
    def _parameters(self) -> dict[str, inspect.Parameter]:
        return dict(list(inspect.signature(self.function).parameters.items())[1:])

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._parameters)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._names)

    @cached_property
    def _needed(self) -> frozenset[str]:
        return frozenset(name for name, one in self._parameters.items() if one.default is inspect.Parameter.empty)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of the arguments by name, and that of the result under `return`."""
        return get_type_hints(self.function)

    @cached_property
    def _decoder(self) -> msgspec.msgpack.Decoder[dict[str, Any]]:
        # A TypedDict, because the function is called with the decoded values as keyword arguments.
        fields = {
            name: self.hints[name] if name in self._needed else NotRequired[self.hints[name]]
            for name in self._parameters
        }
        return msgspec.msgpack.Decoder(cast("Any", TypedDict)(self.function.__name__, fields))

    @cached_property
    def _result_decoder(self) -> msgspec.msgpack.Decoder[Any]:
        return msgspec.msgpack.Decoder(self.hints["return"])


class UnitCall(Value, frozen=True):
    """A unit with its arguments."""

    unit: Unit[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = msgspec.field(default_factory=dict[str, Any])

    def execute(self, tx: Tx) -> Any:
        """Execute the unit in this transaction; returns its result."""
        return self.unit.function(tx, *self.args, **self.kwargs)

    def encode(self) -> bytes:
        """The arguments as msgpack."""
        return self.unit.encode(self.args, self.kwargs)


class Writer(Protocol):
    """Executes units of work for this process."""

    def execute(self, calls: Sequence[UnitCall]) -> Any:
        """Execute all of them in one transaction, in order; returns the result of the last one.

        Returns only when the commit is on the disk. Raises Problem; then nothing was written.
        """
        ...


class DirectWriter:
    """Writes to the database directly, one transaction for each call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def execute(self, calls: Sequence[UnitCall]) -> Any:
        """As Writer.execute."""
        result = None
        with self._store.write() as tx:
            for call in calls:
                result = call.execute(tx)
        return result


def unit[**P, R](function: Callable[Concatenate[Tx, P], R]) -> Unit[P, R]:
    """Make the function a unit of work, named by its module below this package: `NAME.units.FILE.FUNCTION`."""
    name = f"{function.__module__.removeprefix(PACKAGE)}.{function.__name__}"
    if name in UNITS:
        raise ValueError(f"there are two units named {name}")
    made = Unit(name, function)
    UNITS[name] = made
    return made


def unit_named(name: str) -> Unit[..., Any]:
    """The unit of that name. Raises Problem(invalid) for one that this program does not have."""
    found = UNITS.get(name)
    if found is None:
        raise invalid(f'cannot execute "{name}": there is no such unit of work')
    return found


_encoder = msgspec.msgpack.Encoder()

"""Callbacks that do not keep their object alive.

A session and the objects that serve it call each other. If each kept the other alive, an ended
session would stay in memory until the next full garbage collection, which stops the event loop
longer the more sessions there are: see `api.server.process.prepare_collections`.
"""

import weakref
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def weak_method(method: Callable[P, T]) -> Callable[P, T]:
    """Return a function that calls the bound ``method`` as long as something keeps its object.

    Afterwards it raises ``ReferenceError``.
    """
    reference = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        found = reference()
        if found is None:
            raise ReferenceError("the object of the callback is gone")
        return found(*args, **kwargs)

    return call

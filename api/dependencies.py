"""How a handler asks for a component of the application: ``registry: Injected[Registry]``."""

from typing import TypeAlias, TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

T = TypeVar("T")

# The composition root made them: checking their types at every request finds nothing,
# and protocols cannot be checked that way.
Injected: TypeAlias = NamedDependency[SkipValidation[T]]

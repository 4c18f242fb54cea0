"""How a handler asks for a component of the application: ``registry: Injected[Registry]``."""

from typing import Annotated, TypeAlias, TypeVar

from litestar.params import Dependency

T = TypeVar("T")

# The composition root made them: checking their types at every request finds nothing,
# and protocols cannot be checked that way.
Injected: TypeAlias = Annotated[T, Dependency(skip_validation=True)]

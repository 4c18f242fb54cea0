"""The client without ``await``: the same names, arguments and results as the asynchronous one::

    with Client("http://127.0.0.1:8000") as client, client.create() as session:
        session.send(chunk)

Each ``Client`` runs the asynchronous one on an event loop in a thread of its own. Methods may be
called from any thread. A call that an exception such as ``KeyboardInterrupt`` ends is cancelled.
Callbacks, such as ``refresh`` and ``on_progress``, run in the thread of the loop.
"""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from sercuescribe_client.client import Client as AsyncClient
from sercuescribe_client.credentials import Refresh
from sercuescribe_client.errors import SercueScribeError
from sercuescribe_client.models import Progress, SessionWarning
from sercuescribe_client.session import Limits
from sercuescribe_client.session import Session as AsyncSession
from sercuescribe_client.verification import Verification

P = ParamSpec("P")
T = TypeVar("T")
Wrapped = TypeVar("Wrapped")


class _EventLoop:
    """An event loop in a thread, on which other threads run coroutines and wait for them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sercuescribe-client", daemon=True
        )
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of the coroutine. An exception that ends the wait cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a callback of the client must not call it")
        future = asyncio.run_coroutine_threadsafe(_as_task(coroutine), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread after all that still runs on the loop is cancelled."""
        if self._thread.is_alive():
            self.run(_cancel_other_tasks())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class _Blocking(Generic[Wrapped]):
    """An object of the asynchronous client, and the loop on which it lives."""

    def __init__(self, wrapped: Wrapped, loop: _EventLoop) -> None:
        self._wrapped = wrapped
        self._loop = loop

    def __repr__(self) -> str:
        return repr(self._wrapped)


def _calling(
    method: Callable[Concatenate[Wrapped, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_Blocking[Wrapped], P], T]:
    """Return the method that runs an asynchronous one and waits for its result."""

    def call(self: _Blocking[Wrapped], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(method(self._wrapped, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _iterating(
    method: Callable[Concatenate[Wrapped, P], AsyncIterator[T]],
) -> Callable[Concatenate[_Blocking[Wrapped], P], Iterator[T]]:
    """Return the method whose iterator runs an asynchronous one, item by item."""

    def iterate(self: _Blocking[Wrapped], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = method(self._wrapped, *args, **kwargs)
        try:
            while True:
                try:
                    yield self._loop.run(_next_of(items))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run(_close(items))

    functools.update_wrapper(iterate, method)
    return iterate


class Session(_Blocking[AsyncSession]):
    """A session as a context manager: see the asynchronous ``Session``."""

    def __enter__(self) -> Self:
        self._loop.run(self._wrapped.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.run(self._wrapped.__aexit__(kind, error, trace))

    send = _calling(AsyncSession.send)
    flush = _calling(AsyncSession.flush)
    pause = _calling(AsyncSession.pause)
    resume = _calling(AsyncSession.resume)
    mark = _calling(AsyncSession.mark)
    close = _calling(AsyncSession.close)
    detach = _calling(AsyncSession.detach)
    __iter__ = _iterating(AsyncSession.__aiter__)

    @property
    def session_id(self) -> str:
        return self._wrapped.session_id

    @property
    def url(self) -> str:
        return self._wrapped.url

    @property
    def is_open(self) -> bool:
        return self._wrapped.is_open

    @property
    def progress(self) -> Progress:
        return self._wrapped.progress

    @property
    def attempt(self) -> int:
        return self._wrapped.attempt

    @property
    def last_error(self) -> SercueScribeError | None:
        return self._wrapped.last_error

    @property
    def decode_error(self) -> SercueScribeError | None:
        return self._wrapped.decode_error

    @property
    def warnings(self) -> tuple[SessionWarning, ...]:
        return self._wrapped.warnings

    @property
    def verification(self) -> Verification:
        return self._wrapped.verification


def _opening(
    method: Callable[Concatenate[AsyncClient, P], AsyncSession],
) -> Callable[Concatenate["Client", P], Session]:
    """Return the method that returns the session of an asynchronous one, for use without it."""

    def open_session(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Session:
        async def build() -> AsyncSession:
            return method(self._wrapped, *args, **kwargs)

        return Session(self._loop.run(build()), self._loop)

    functools.update_wrapper(open_session, method)
    return open_session


class Client(_Blocking[AsyncClient]):
    """Call one service: see the asynchronous ``Client``."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        token: str | None = None,
        refresh: Refresh | None = None,
        limits: Limits | None = None,
        timeout_seconds: float = 30,
    ) -> None:
        wrapped = AsyncClient(
            url,
            key=key,
            token=token,
            refresh=refresh,
            limits=limits,
            timeout_seconds=timeout_seconds,
        )
        super().__init__(wrapped, _EventLoop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._loop.run(self._wrapped.__aexit__(kind, error, trace))
        finally:
            self._loop.close()

    @property
    def url(self) -> str:
        return self._wrapped.url

    create = _opening(AsyncClient.create)
    attach = _opening(AsyncClient.attach)
    info = _calling(AsyncClient.info)
    list = _iterating(AsyncClient.list)
    update = _calling(AsyncClient.update)
    pause = _calling(AsyncClient.pause)
    resume = _calling(AsyncClient.resume)
    mark = _calling(AsyncClient.mark)
    timeline = _calling(AsyncClient.timeline)
    close = _calling(AsyncClient.close)
    download = _calling(AsyncClient.download)
    stream = _iterating(AsyncClient.stream)
    listen = _iterating(AsyncClient.listen)
    waveform = _calling(AsyncClient.waveform)
    create_token = _calling(AsyncClient.create_token)
    verify = _calling(AsyncClient.verify)
    share = _calling(AsyncClient.share)
    links = _calling(AsyncClient.links)
    unshare = _calling(AsyncClient.unshare)
    delete = _calling(AsyncClient.delete)


async def _as_task(coroutine: Coroutine[Any, Any, T]) -> T:
    return await coroutine


async def _next_of(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _close(items: AsyncIterator[Any]) -> None:
    if (close := getattr(items, "aclose", None)) is not None:
        await close()


async def _cancel_other_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)

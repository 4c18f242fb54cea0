"""The command ``sercuescribe webhooks``."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import UTC, datetime

import click
import msgspec

from api.backend import open_outbox
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from api.events.entry import NewerEntryError, decode, encode, event_of
from api.events.signature import new_secret
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.outbox import DEAD, FIRST_SLOT, RETRIED, OutboxEntries, Place, slot_begin

_ALL = 10_000_000
_AT_ONCE = 16


@click.group()
def webhooks() -> None:
    """Show and change the outbox: events that are not yet delivered.

    May be used beside the service.
    """


@webhooks.command()
def secret() -> None:
    """Print a new secret for WEBHOOK_SECRETS."""
    click.echo(new_secret())


@webhooks.command(name="list")
@click.option("--dead", is_flag=True, help="Only events that the service has given up.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="For each node."
)
def list_events(*, dead: bool, limit: int) -> None:
    """Print events that are not yet delivered: those that are due first, and dead ones."""

    async def print_all(outbox: OutboxEntries) -> None:
        async for place in _places(outbox, limit, only_dead=dead):
            state = "dead" if place.node == DEAD else "waiting"
            click.echo(f"{state} {_moment(place)} {place.name} {await _details(outbox, place)}")

    _run(print_all)


@webhooks.command()
@click.argument("events", nargs=-1)
@click.option("--all", "all_events", is_flag=True, help="Every event, dead or waiting.")
def retry(events: tuple[str, ...], *, all_events: bool) -> None:
    """Deliver events again: now, and then as if they were new. The service does it in seconds."""
    if bool(events) == all_events:
        raise click.UsageError("give either the ids of events, or --all")

    async def retry_one(outbox: OutboxEntries, place: Place) -> None:
        entry = decode(place.name, await outbox.get(place))
        entry = msgspec.structs.replace(entry, attempts=0, checks=0)
        await outbox.put(place.moved(FIRST_SLOT, RETRIED), encode(entry))
        if place != place.moved(FIRST_SLOT, RETRIED):
            await outbox.remove(place)

    _run(lambda outbox: _change(outbox, retry_one, events, only_dead=False))


@webhooks.command()
@click.argument("events", nargs=-1)
@click.option("--dead", is_flag=True, help="Every dead event.")
def drop(events: tuple[str, ...], *, dead: bool) -> None:
    """Remove events without delivering them."""
    if bool(events) == dead:
        raise click.UsageError("give either the ids of events, or --dead")

    async def drop_one(outbox: OutboxEntries, place: Place) -> None:
        await outbox.remove(place)

    _run(lambda outbox: _change(outbox, drop_one, events, only_dead=dead))


async def _change(
    outbox: OutboxEntries,
    change: Callable[[OutboxEntries, Place], Awaitable[None]],
    names: Collection[str],
    *,
    only_dead: bool,
) -> None:
    """Change the entries with these names, or all without names. Print how many it were."""
    at_once, done = asyncio.Semaphore(_AT_ONCE), 0

    async def change_one(place: Place) -> None:
        nonlocal done
        async with at_once:
            try:
                await change(outbox, place)
                done += 1
            except RecordingNotFoundError:
                pass  # the service has delivered or moved it meanwhile
            except (BadObjectError, NewerEntryError) as error:
                click.echo(f"sercuescribe: left alone: {error}", err=True)

    wanted = set(names)
    found = [place async for place in _places(outbox, _ALL, only_dead=only_dead)]
    if wanted:
        found = [each for each in found if wanted & {each.name, event_of(each.name)}]
    await asyncio.gather(*map(change_one, found))
    click.echo(f"events={done}")


async def _places(outbox: OutboxEntries, limit: int, *, only_dead: bool) -> AsyncIterator[Place]:
    for node in [DEAD] if only_dead else await outbox.nodes():
        for place in await outbox.page(node, limit):
            yield place


async def _details(outbox: OutboxEntries, place: Place) -> str:
    try:
        entry = decode(place.name, await outbox.get(place))
    except (BadObjectError, NewerEntryError, RecordingNotFoundError) as error:
        return f"unreadable: {error}"
    receiver = f" receiver={entry.host}" if entry.host else ""
    return f"attempts={entry.attempts} happened={entry.occurred_at:%Y-%m-%dT%H:%M:%SZ}{receiver}"


def _moment(place: Place) -> str:
    """Return when the entry is due, or when it was given up, to the minute."""
    if place.slot == FIRST_SLOT:
        return "now"
    return f"{datetime.fromtimestamp(slot_begin(place.slot), UTC):%Y-%m-%dT%H:%MZ}"


def _run(action: Callable[[OutboxEntries], Awaitable[None]]) -> None:
    settings = settings_or_exit()

    async def run() -> None:
        async with open_outbox(settings) as outbox:
            await action(outbox)

    try:
        run_until_interrupted(run(), hint="run the command again for the rest")
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")

"""The context of a task is that of the tasks that it creates, and of no other."""

import asyncio

from api.observe import log_context


async def test_tasks_inherit_the_context_and_do_not_share_it() -> None:
    async def of_request(name: str) -> list[dict[str, str]]:
        log_context.request_id.set(name)
        return [log_context.fields(), await asyncio.create_task(read())]

    async def read() -> dict[str, str]:
        return log_context.fields()

    first, second = await asyncio.gather(of_request("a"), of_request("b"))
    assert [found["request_id"] for found in first] == ["a", "a"]
    assert [found["request_id"] for found in second] == ["b", "b"]
    assert "request_id" not in log_context.fields()

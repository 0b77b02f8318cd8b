import asyncio

from services.studio.work import Work


async def test_what_ends_while_it_is_looked_at_is_looked_at_again() -> None:
    goes_on, made = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        await goes_on.wait()
        made.set()

    looks = []
    async for _ in Work().run(job(), lambda: 0.0):
        looks.append(made.is_set())
        goes_on.set()
        await made.wait()
        await asyncio.sleep(0)  # The task knows of its end.
    assert looks == [False, True]


async def test_what_has_ended_is_looked_at_once_and_its_failure_is_raised_after() -> None:
    looks = []

    async def job() -> None:
        raise ValueError("It broke.")

    async def look() -> None:
        async for _ in Work().run(job(), lambda: 1.0):
            looks.append(1)

    [failure] = await asyncio.gather(look(), return_exceptions=True)
    assert str(failure) == "It broke."
    assert looks == [1]

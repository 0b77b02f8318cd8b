"""Clients that vanish leave nothing behind; `python -m bench soak` is the same for five minutes."""

from pathlib import Path

from bench import soak

SECONDS = 10.0


async def test_clients_that_vanish_at_random_leave_nothing_behind(tmp_path: Path) -> None:
    with soak.product(tmp_path) as product:
        async with product.http() as http:
            before = await soak.first_words(http)
            tally = await soak.crowd(product, SECONDS, clients=soak.CLIENTS, seed=7)
            await soak.emptied(product, http, within=60)
            after = await soak.first_words(http)
        assert tally.wrong == []
        assert tally.answered > 0
        assert after == before
        assert product.errors() == []

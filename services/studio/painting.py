"""Images that are made for somebody: what was wished for, and how far they are."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from openai import AsyncOpenAI

from orfeon.images import PictureWish
from services.studio.caller import Caller
from services.studio.made import Made
from services.studio.pictures import Picture

#: From words alone, by changing a picture, or like a picture; each is a task of models.
Way = Literal["image-generation", "image-edit", "image-variation"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to make. `size` is as the gateway takes it; `steps` and `seed` may be the model's."""

    way: Way
    model: str
    prompt: str
    picture: Picture | None
    count: int
    size: str
    steps: int | None
    seed: int | None

    @property
    def options(self) -> dict[str, int]:
        """What OpenAI's client has no words for."""
        chosen = {"steps": self.steps, "seed": self.seed}
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was made, and what gives it again."""

    file: Made
    seed: int


@dataclass(slots=True)
class Painting:
    """Images as they come: `step` of `steps` of the next one is made."""

    images: list[Image] = field(default_factory=list)
    step: int = 0
    steps: int = 0
    done: bool = False

    async def make(self, caller: Caller, wish: Wish) -> None:
        """Has the images made. Raises what the clients raise."""
        if wish.way == "image-variation":
            await self._vary(caller, wish)
        else:
            await self._stream(caller.openai, wish)
        self.done = True

    async def _vary(self, caller: Caller, wish: Wish) -> None:
        """By our client, which is told of no steps: OpenAI's streams no variations."""
        assert wish.picture is not None
        asked = PictureWish(model=wish.model, n=wish.count, size=wish.size)
        asked.update(wish.options)  # type: ignore[typeddict-item]
        for made in await caller.orfeon.images.vary(wish.picture.data, **asked):
            await self._keep(made.content, made.seed)

    async def _stream(self, client: AsyncOpenAI, wish: Wish) -> None:
        common: dict[str, Any] = {
            "model": wish.model,
            "prompt": wish.prompt,
            "n": wish.count,
            "size": wish.size,
            "stream": True,
            "extra_body": {**wish.options, "progress": True},
        }
        if wish.picture is None:
            asked = client.images.generate(**common)
        else:
            shown = (wish.picture.name, wish.picture.data, wish.picture.media_type)
            asked = client.images.edit(image=shown, **common)
        async with await asked as events:
            async for event in events:
                told: dict[str, Any] = event.to_dict()
                match str(told["type"]).partition(".")[2]:
                    case "progress":
                        self.step, self.steps = int(told["step"]), int(told["steps"])
                    case "completed":
                        await self._keep(base64.b64decode(told["b64_json"]), int(told["seed"]))

    async def _keep(self, content: bytes, seed: int) -> None:
        file = Made(f"{seed}.png")
        await file.write(_whole(content))
        self.images.append(Image(file, seed))
        self.step = 0


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content

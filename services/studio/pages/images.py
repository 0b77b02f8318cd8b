"""The page `images`: pictures from words, and from other pictures."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from services.studio.markup import text
from services.studio.pages import images_view
from services.studio.pages.images_form import Form, laid_out, ways
from services.studio.pages.opening import opening
from services.studio.painting import Painting, Way, Wish
from services.studio.pictures import Picture, Unreadable, looked_at
from services.studio.studio import Studio
from services.studio.texts import Texts
from services.studio.uploads import consumed
from services.studio.work import Work

#: Events tell nobody but this page, and none waits for another's.
_PRIVATE: dict[str, Any] = {
    "api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None,
}  # fmt: skip
#: How often one is told how far it is, in seconds.
_PAUSE = 0.25
_MOST_STEPS = 150
#: The largest whole number that browsers tell from the next.
_MOST_SEED = 2**53 - 1

Updates = dict[Any, Any]


class Easel:
    """One page's work, the picture that it starts from, and what models can do."""

    def __init__(self) -> None:
        self.work = Work()
        self.picture: Picture | None = None
        self.tasks: dict[str, tuple[str, ...]] = {}


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    easel = gr.State(Easel())
    minutes = f"{studio.settings.kept_minutes:g}"
    gr.Markdown(f"# {t('shell.images')}\n\n{t('images.intro', minutes=minutes)}")
    form, problem, all_of_it = laid_out(t)
    page = _Page(studio, t, form)
    listen = partial(gr.on, **_PRIVATE)

    async def opened(easel: Easel, request: gr.Request) -> AsyncIterator[Updates]:
        try:
            there = await page.models(easel, request)
        except gr.Error as error:
            # Else the page would be blank.
            yield {problem: gr.update(value=text(str(error.message)), visible=True)}
            raise
        shown = {problem: gr.update(visible=not there), all_of_it: gr.update(visible=bool(there))}
        first = there[0] if there else None
        model = gr.update(choices=there, value=first)
        yield {**shown, form.model: model, **await page.choose(easel, first)}

    picture = [form.attach, form.chosen, form.detach]
    listen(None, opened, easel, [problem, all_of_it, form.model, form.way, *picture])
    listen(form.model.input, page.choose, [easel, form.model], [form.way, *picture])
    listen(form.way.input, page.start_from, [easel, form.way], picture)
    listen(form.attach.upload, page.attach, [easel, form.attach], picture)
    listen(form.detach.click, page.detach, easel, picture)
    wishes = [
        form.way, form.model, form.prompt, form.count, form.size, form.steps, form.seed,
    ]  # fmt: skip
    listen(form.make.click, page.make, [easel, *wishes], [form.stop, form.state, form.gallery])
    listen(form.stop.click, page.stop, easel, None)


class _Page:
    """What happens on the page."""

    def __init__(self, studio: Studio, t: Texts, form: Form) -> None:
        self._studio = studio
        self._t = t
        self._form = form

    async def models(self, easel: Easel, request: gr.Request) -> list[str]:
        """The models that make images now, the default first."""
        async with opening(self._studio, request, self._t) as caller:
            there = [each for each in await caller.orfeon.models() if each.capability == "images"]
        there.sort(key=lambda each: (not each.default, each.id))
        easel.tasks = {each.id: each.tasks for each in there}
        return [each.id for each in there]

    async def choose(self, easel: Easel, model: str | None) -> Updates:
        """Offers what a model can start from."""
        choices = ways(easel.tasks.get(model or "", ()), self._t)
        way = choices[0][1] if choices else None
        offered = gr.update(choices=choices, value=way, visible=len(choices) > 1)
        return {self._form.way: offered, **await self.start_from(easel, way)}

    async def start_from(self, easel: Easel, way: Way | None) -> Updates:
        """Asks for a picture where one is needed."""
        wanted = way not in (None, "image-generation")
        return {self._form.attach: gr.update(visible=wanted), **self._chosen(easel, wanted)}

    async def attach(self, easel: Easel, upload: str | None) -> Updates:
        """Takes the picture to start from."""
        with consumed(upload, self._t) as path:
            try:
                easel.picture = await looked_at(path)
            except Unreadable:
                raise gr.Error(self._t("images.unreadable"), print_exception=False) from None
        return self._chosen(easel)

    async def detach(self, easel: Easel) -> Updates:
        """Takes the picture away."""
        easel.picture = None
        return self._chosen(easel)

    async def make(
        self, easel: Easel, way: Way | None, model: str | None, prompt: str | None, count: int,
        size: str, steps: float | None, seed: float | None, request: gr.Request,
    ) -> AsyncIterator[Updates]:  # fmt: skip
        """Has images made, and shows each as it is done."""
        form, t = self._form, self._t
        wish = Wish(
            way or "image-generation", model or "", (prompt or "").strip(),
            None if way in (None, "image-generation") else easel.picture,
            int(count), size, self._whole(steps, 1, _MOST_STEPS, "bad_steps"),
            self._whole(seed, 0, _MOST_SEED, "bad_seed"),
        )  # fmt: skip
        self._check(wish)
        painting = Painting()

        async def job() -> None:
            async with self._studio.gateway.caller(request, t) as caller:
                await painting.make(caller, wish)

        shown = 0
        told = images_view.progress(painting, wish, t)
        yield {form.stop: gr.update(interactive=True), form.state: told, form.gallery: ""}
        try:
            async for _ in easel.work.run(job(), lambda: _PAUSE):
                if len(painting.images) > shown:
                    shown = len(painting.images)
                    yield {form.gallery: images_view.gallery(painting, wish, t)}
                if not painting.done:
                    yield {form.state: images_view.progress(painting, wish, t)}
            state = self._ended(painting)
        except gr.Error as error:
            state = str(error.message)
        yield {form.stop: gr.update(interactive=False), form.state: images_view.note(state)}

    async def stop(self, easel: Easel) -> None:
        """Stops what is being made."""
        easel.work.stop()

    def _ended(self, painting: Painting) -> str:
        if not painting.done:
            return self._t("images.stopped")
        count = len(painting.images)
        return self._t("images.finished_one" if count == 1 else "images.finished", count=count)

    def _chosen(self, easel: Easel, wanted: bool = True) -> Updates:
        there = wanted and easel.picture is not None
        shown = images_view.chosen(easel.picture, self._t)
        return {
            self._form.chosen: gr.update(value=shown, visible=there),
            self._form.detach: gr.update(visible=there),
        }

    def _check(self, wish: Wish) -> None:
        if wish.way != "image-generation" and wish.picture is None:
            raise gr.Error(self._t("images.no_picture"), print_exception=False)
        if wish.way != "image-variation" and not wish.prompt:
            raise gr.Error(self._t("images.no_prompt"), print_exception=False)

    def _whole(self, value: float | None, least: int, most: int, problem: str) -> int | None:
        if value is None:
            return None
        if value != int(value) or not least <= value <= most:
            raise gr.Error(self._t(f"images.{problem}"), print_exception=False)
        return int(value)

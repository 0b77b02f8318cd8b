"""What a page asks of the gateway as it is opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gradio as gr

from services.studio.caller import Caller
from services.studio.studio import Studio
from services.studio.texts import Texts


@asynccontextmanager
async def opening(studio: Studio, request: gr.Request, t: Texts) -> AsyncIterator[Caller]:
    """The gateway, for what fills a page. Nothing in the page does that again, so what fails in
    the block is told with how to.
    """
    try:
        async with studio.gateway.caller(request, t) as caller:
            yield caller
    except gr.Error as error:
        told = str(error.message)
        if told != t("errors.signed_out"):
            told = f"{told} {t('errors.reload')}"
        raise gr.Error(told, print_exception=False) from None

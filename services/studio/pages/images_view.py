"""Images that are made, as HTML."""

from services.studio.made import size_of
from services.studio.markup import text
from services.studio.painting import Painting, Wish
from services.studio.pictures import Picture
from services.studio.texts import Texts


def progress(painting: Painting, wish: Wish, t: Texts) -> str:
    """How far they are. Read aloud as each image is done; what changes with each step is not."""
    at = min(len(painting.images) + 1, wish.count)
    said = text(t("images.working", at=at, count=wish.count))
    if not painting.steps:
        return f'<p role="status">{said}</p>'
    steps = t("images.steps_done", step=painting.step, steps=painting.steps)
    return (
        f'<p role="status">{said}</p><p class="images-steps">'
        f'<progress max="{painting.steps}" value="{painting.step}" '
        f'aria-label="{text(t("images.progress"))}"></progress> <span>{text(steps)}</span></p>'
    )


def gallery(painting: Painting, wish: Wish, t: Texts) -> str:
    """The images that are there, each to be downloaded; nothing where there are none."""
    if not painting.images:
        return ""
    name = wish.prompt
    if wish.way == "image-variation" and wish.picture is not None:
        name = t("images.like", name=wish.picture.name)
    figures = []
    for number, image in enumerate(painting.images, 1):
        address = image.file.address(t)
        told = t("images.made", number=number, seed=image.seed)
        download = t("images.download", number=number, size=size_of(image.file.size))
        figures.append(
            f'<li><figure><img src="{address}" alt="{text(name)}"><figcaption>{text(told)} '
            f'<a href="{address}" download="{image.seed}.png">{text(download)}</a>'
            "</figcaption></figure></li>"
        )
    return f'<ul class="images-gallery">{"".join(figures)}</ul>'


def chosen(picture: Picture | None, t: Texts) -> str:
    """The picture to start from; nothing where there is none."""
    if picture is None:
        return ""
    alt = text(t("images.picture", name=picture.name))
    return (
        f'<figure class="images-chosen" role="status"><img src="{picture.thumbnail}" alt="{alt}">'
        f"<figcaption>{text(t('images.chosen'))}</figcaption></figure>"
    )


def note(sentence: str) -> str:
    """A sentence on what became of it."""
    return f'<p role="status">{text(sentence)}</p>'

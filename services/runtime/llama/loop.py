"""The thread that owns a context: it seats sequences, reads a step, chooses tokens, tells."""

import bisect
import itertools
import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence

from services.runtime.errors import Internal, OrfeonError, ServiceUnavailable
from services.runtime.llama.batch import MOST_OUTPUTS, MOST_TOKENS, Reader, Share
from services.runtime.llama.cache import Cache
from services.runtime.llama.generation import Chosen
from services.runtime.llama.likelihood import chosen_of
from services.runtime.llama.mailbox import Post
from services.runtime.llama.plan import Pace, Turns, plan
from services.runtime.llama.sequence import Answer, Embedding, Told, Work

log = logging.getLogger(__name__)

#: Seconds that a step may take for prompts: what an urgent request waits at most, and how long
#: streams pause while a prompt is read beside them.
ALONE, BESIDE = 0.1, 0.05
#: Cells that each running answer is left to grow by when a further one is seated. Without them the
#: last one seated would be sent away again at once, and read anew for nothing.
GROWTH = 32
#: Cells that steps may pass by for nothing. A thousand make a step some 5 % longer, and to move
#: eight answers of 200 tokens together takes as long as a step or two.
WASTE = 768


class DecodeLoop:
    """Decodes sequences together, `places` of them in a step, in order of level and arrival.

    What is beyond the places pauses and keeps its cells until they are wanted; then it is put aside
    or read anew, and goes on as if nothing had been.
    """

    def __init__(self, decoder: Reader, cache: Cache, *, places: int) -> None:
        self._decoder = decoder
        self._cache = cache
        self._places = places
        self._inbox: queue.SimpleQueue[Sequence[Work] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._work: list[Work] = []
        self._step: list[tuple[Work, int]] = []
        self._numbers = itertools.count()
        self._turns = Turns()
        self._pace = Pace(MOST_TOKENS - places)
        self._post: Post[Told] = Post()
        self._thread = threading.Thread(target=self._run, name="llama", daemon=True)
        self._thread.start()

    def submit(self, work: Sequence[Work]) -> None:
        """Hands work over, in any thread. Raises `ServiceUnavailable` once closed."""
        with self._closing:
            if self._closed:
                raise _closed()
            self._inbox.put(work)

    def cancel(self, work: Iterable[Work]) -> None:
        """Frees the places of work before the next step, in any thread; it is told nothing more."""
        for each in work:
            each.cancelled = True
        self._inbox.put(())

    def close(self) -> None:
        """Ends all work with `ServiceUnavailable` and waits for the thread."""
        with self._closing:
            self._closed = True
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._received():
            try:
                self._take_step()
            except Exception as error:
                self._recover(error)
            self._post.send()
        for work in self._work:
            self._post.add(work.mailbox, _closed())
        self._post.send()

    def _received(self) -> bool:
        """Takes in what has come, waiting only while there is nothing to do; False at the end."""
        while True:
            try:
                arrived = self._inbox.get(block=not self._work)
            except queue.Empty:
                return True
            if arrived is None:
                return False
            for work in arrived:
                work.number = next(self._numbers)
                self._add(work)
            for work in [work for work in self._work if work.cancelled]:
                self._remove(work)

    def _take_step(self) -> None:
        active = self._seated()
        if not active:
            raise RuntimeError("no work can be seated")
        if self._cache.waste > WASTE:
            self._cache.reclaim()
        alone, beside = self._pace.within(ALONE), self._pace.within(BESIDE)
        wanted = plan(active, self._turns, alone=alone, beside=beside)
        # The first of all has what it needs, whatever the others hold.
        first = [(active[0], min(active[0].pending, alone))]
        self._step = self._with_cells(wanted) or self._with_cells(first)
        shares = [_share(work, count) for work, count in self._step]
        group = self._step[0][0].group
        began = time.perf_counter()
        self._decoder.read(shares, group.adapter, embed=group.embeds)
        size = sum(len(share.tokens) for share in shares)
        now = time.perf_counter()
        self._pace.observe(size, now - began)
        at = -1
        for (work, _), share in zip(self._step, shares, strict=True):
            if share.encoding is None:
                at += len(share.tokens)
            assert work.held is not None
            self._cache.extend(work.held, share.tokens)
            if share.outputs:
                try:
                    self._advance(work, at, share.outputs, now)
                except Exception as error:
                    # What was read is whole, so the others go on.
                    log.exception("answer failed")
                    self._fail(work, error)

    def _advance(self, work: Work, at: int, outputs: int, now: float) -> None:
        """Takes what follows the token `at`, and of an embedding those before it."""
        if isinstance(work, Embedding):
            for row in range(at - outputs + 1, at + 1):
                work.add(self._decoder.embedding(row))
            if work.pending == 0:
                self._post.add(work.mailbox, work.vector())
                self._remove(work)
            return
        assert isinstance(work, Answer)
        token = work.chooser.sample(self._decoder, at)
        chosen: Chosen | None = None
        if work.logprobs is not None and token is not None:
            chosen = chosen_of(
                self._decoder.logits(at), token, work.logprobs, work.vocabulary.piece
            )
        for told in work.accept(token, chosen, now):
            self._post.add(work.mailbox, told)
        for follower in work.followers:
            follower.number, follower.cached = work.number, work.cached
            self._add(follower)
        work.followers = []
        if work.ended:
            self._remove(work)

    def _seated(self) -> list[Work]:
        """The most urgent work, as much as there are places, each with a sequence of its own."""
        active: list[Work] = []
        for work in self._work:
            if len(active) == self._places:
                break
            if work.held is not None or self._seat(work):
                active.append(work)
        return active

    def _seat(self, work: Work) -> bool:
        """Gives work a sequence; False as long as more urgent work leaves no room for it."""
        before = [w.held for w in self._before(work) if w.held is not None]
        wanted = len(work.tokens) + GROWTH * len(before)
        room = self._cache.cells - wanted
        # Counting every cell costs too much to do it where there is plenty of room.
        if sum(len(held.cells) for held in before) > room and self._cache.taken_by(before) > room:
            return False
        embeds = isinstance(work, Embedding)
        tokens = [] if embeds else work.tokens  # An embedding needs every token read.
        self._step = [(work, 0)]  # What fails here fails nobody else.
        while (held := self._cache.take(tokens, work.group.adapter)) is None:
            if not self._preempt(work):
                return False
        work.held = held
        if isinstance(work, Answer) and work.cached is None:
            work.cached = len(held.tokens)
        return True

    def _with_cells(self, step: Sequence[tuple[Work, int]]) -> list[tuple[Work, int]]:
        """The step as far as there are cells for it, the more urgent taking those of the less."""
        kept, taken = [], 0
        for work, count in step:
            if work.group.embeds:
                count = min(count, MOST_OUTPUTS - taken)
            count = work.stretch(count, MOST_TOKENS)
            while work.held is not None and self._cache.free - taken < count:
                if not self._cache.reclaim() and not self._preempt(work):
                    break
            count = work.stretch(count, self._cache.free - taken)
            if work.held is not None and count > 0:
                kept.append((work, count))
                taken += count
        return kept

    def _preempt(self, work: Work) -> bool:
        """Leaves the cells of the least urgent work after this; False where there is none."""
        for victim in reversed(self._work):
            if victim is work:
                return False
            if victim.held is not None:
                self._cache.release(victim.held)
                victim.held = None
                if isinstance(victim, Embedding):
                    victim.restart()
                return True
        return False

    def _before(self, work: Work) -> Iterable[Work]:
        return itertools.takewhile(lambda other: other is not work, self._work)

    def _add(self, work: Work) -> None:
        bisect.insort(self._work, work, key=lambda each: (each.level, each.number))

    def _remove(self, work: Work) -> None:
        self._work.remove(work)
        if work.held is not None:
            self._cache.release(work.held)
            work.held = None

    def _recover(self, error: Exception) -> None:
        """Fails what was being worked on; everything else is read anew."""
        log.exception("step failed", extra={"sequences": len(self._step)})
        failed = [work for work, _ in self._step] or list(self._work)
        for work in self._work:
            work.held = None
            if isinstance(work, Embedding):
                work.restart()
        self._cache.clear()
        for work in failed:
            if work in self._work:
                self._fail(work, error)
        self._step = []

    def _fail(self, work: Work, error: Exception) -> None:
        failure = (
            error
            if isinstance(error, OrfeonError)
            else Internal(
                "The model failed while it was at work on this request. Try again; if that does "
                "not help, tell the operator the id of the request."
            )
        )
        self._post.add(work.mailbox, failure)
        self._remove(work)


def _share(work: Work, count: int) -> Share:
    assert work.held is not None
    past = len(work.held.tokens)
    outputs = count if work.group.embeds else int(past + count == len(work.tokens))
    tokens = work.tokens[past : past + count]
    seen = work.seen
    return Share(work.held.sequence, past, tokens, outputs, seen.encoding(tokens), seen.causal)


def _closed() -> ServiceUnavailable:
    return ServiceUnavailable("The model is being unloaded; try again.", retry_after=1.0)

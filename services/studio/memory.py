"""What is remembered of pages that are open, and forgotten when nobody uses them any more."""

import datetime
from copy import copy

from gradio import Blocks
from gradio.components import State
from gradio.state_holder import SessionState, StateHolder

#: Seconds without use after which a page is forgotten: one that is open, and one that was closed,
#: or lost its connection, from which people come back.
OPEN, CLOSED = 12 * 3600.0, 3600.0


class _Page(SessionState):
    """What a page that is open in a browser keeps here: its states, and nothing else.

    Gradio's own has a copy of all components of all pages too, for links into the midst of a page,
    which we do not offer: 0.3 MB and some milliseconds for each page that anybody looks at.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values = {}
        self.state_data = {}
        self._state_ttl = {}
        self.is_closed = False


class Memory(StateHolder):
    """The pages that are open. Gradio itself forgets none of them before there are 10,000."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.set_blocks(blocks)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Page(self.blocks)
        page = super().__getitem__(session_id)
        # Whoever asks is there again.
        page.is_closed = False
        return page

    def delete_all_expired_state(self) -> None:
        """Forgets pages that nobody uses; Gradio calls it again and again."""
        now = datetime.datetime.now()
        for session_id, page in list(self.session_data.items()):
            unused = now - self.time_last_used.get(session_id, now)
            if unused.total_seconds() > (CLOSED if page.is_closed else OPEN):
                self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        page = self.session_data.pop(session_id)
        self.time_last_used.pop(session_id, None)
        for key, value in page.state_data.items():
            block = page.blocks_config.blocks.get(key)
            if isinstance(block, State):
                block.delete_callback(value)

// The page of the queue.

import { board } from "./board.js";

board("queue", (button) => ({
  path: `/studio/songs/${encodeURIComponent(button.dataset.id)}`,
  method: "DELETE",
  done: button.closest("[data-board]").dataset.cancelled,
}));

// The page of models.

import { board } from "./board.js";

board("models", ({ dataset: { id, act } }) => ({
  path: `/studio/boards/models/${encodeURIComponent(id)}/${act}`,
  method: "POST",
}));

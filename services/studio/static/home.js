// The first page: what was spoken plays at once, where the browser lets it.

const played = new WeakSet();

new MutationObserver(() => {
  const player = document.querySelector("#home-say-result audio");
  if (!player || played.has(player)) return;
  played.add(player);
  // Some browsers want another click first; the player is there for that.
  player.play().catch(() => {});
}).observe(document.body, { childList: true, subtree: true });

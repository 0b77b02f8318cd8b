// What changes by itself: asked for again while somebody looks, and put in place without taking the
// focus away.

const language = document.documentElement.lang;
const PAUSE = 2000;
const TIMEOUT = 20000;

const clock = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "short" });

// `act(button)` is the request that a button makes: its address, its method, and what to say when
// it is done, or nothing to say what the answer says.
export function board(name, act) {
  const place = () => document.querySelector(`[data-board="${name}"]`);
  const doing = new Set();
  let shown = "";
  let manages = "";
  let ended = false;
  let asking = false;
  // Whether what is told is of a button, and so stays until the next one.
  let told = false;

  // Read aloud by screen readers, so it changes no more often than its words.
  function tell(role, words) {
    const line = place()?.querySelector(`[role="${role}"]`);
    if (line && line.textContent !== words) line.textContent = words;
  }

  function put(html) {
    const room = place()?.querySelector(".shown");
    if (!room || (html === shown && room.dataset.filled)) return;
    const focused = document.activeElement?.closest(".shown [data-act]");
    shown = html;
    room.dataset.filled = "yes";
    room.innerHTML = html;
    for (const time of room.querySelectorAll("time")) {
      time.textContent = clock.format(new Date(time.dateTime));
    }
    manages = room.querySelector("[data-manages]")?.dataset.manages ?? "";
    mark();
    if (!focused) return;
    const mine = [...room.querySelectorAll(`[data-id="${CSS.escape(focused.dataset.id)}"]`)];
    (mine.find((each) => each.dataset.act === focused.dataset.act) ?? mine[0])?.focus();
  }

  const isBusy = (button) => doing.has(button.dataset.id) || "busy" in button.dataset;

  function mark() {
    for (const button of place()?.querySelectorAll("button[data-act]") ?? []) {
      if (isBusy(button)) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  }

  // What the web app answers, or null with a sentence in place of it.
  async function ask(path, options) {
    try {
      const answer = await fetch(`${path}${path.includes("?") ? "&" : "?"}lang=${language}`, options);
      // Awaited here, where it is told if it breaks off.
      if (answer.ok) return await answer.text();
      if (answer.status === 401) ended = true;
      tell("alert", (await answer.json()).error.message);
    } catch {
      tell("alert", place()?.dataset.lost ?? "");
    }
    return null;
  }

  async function refresh() {
    if (asking || ended || document.hidden || !place()) return;
    asking = true;
    const asked = manages ? `?manages=${manages}` : "";
    try {
      const html = await ask(`/studio/boards/${name}${asked}`, { signal: AbortSignal.timeout(TIMEOUT) });
      if (html === null) return;
      put(html);
      if (!told) tell("alert", "");
    } catch {
      tell("alert", place()?.dataset.lost ?? "");
    } finally {
      asking = false;
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(`[data-board="${name}"] button[data-act]`);
    if (!button || isBusy(button)) return;
    doing.add(button.dataset.id);
    mark();
    told = false;
    tell("alert", "");
    tell("status", "");
    const { path, method, done } = act(button);
    const answer = await ask(path, { method });
    doing.delete(button.dataset.id);
    told = answer === null;
    if (!told) tell("status", done ?? answer);
    mark();
    await refresh();
  });

  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, PAUSE);
  // Also when somebody comes back to its page.
  let shownAt = null;
  const look = () => {
    if (place() === shownAt) return;
    shownAt = place();
    refresh();
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
}

// The song page after its lyrics: how a song goes on, its player, and the songs made before.


const language = document.documentElement.lang;
const songs = "/studio/songs";
let source = null;
let job = "";

const stage = () => document.querySelector("[data-stage]");
const part = (name) => stage().querySelector(name);
const asked = (path) => `${songs}${path}?lang=${language}`;

// Shows a song, and goes on showing it until it has ended.
function show(id) {
  source?.close();
  job = id;
  const address = new URL(location.href);
  address.searchParams.set("job", id);
  history.replaceState(history.state, "", address);
  part(".card").replaceChildren();
  tell("", "");
  source = new EventSource(asked(`/${encodeURIComponent(id)}`));
  source.onmessage = (event) => told(JSON.parse(event.data));
  source.onerror = () => {
    const over = source.readyState === EventSource.CLOSED;
    tell(undefined, over ? stage().dataset.reload : stage().dataset.lost);
  };
  part("h3").scrollIntoView({ block: "start" });
}

function told({ says, html, notice, ended }) {
  if (html) part(".card").innerHTML = html;
  tell(says || undefined, notice);
  const cancel = part(".cancel");
  const focused = document.activeElement === cancel;
  if (html || ended) cancel.hidden = ended;
  cancel.disabled = false;
  if (focused && cancel.hidden) part("h3").focus();
  if (!ended) return;
  source.close();
  list();
}

// What is said aloud by screen readers changes no more often than its words.
function tell(says, notice) {
  for (const [name, words] of [[".says", says], [".notice", notice]]) {
    if (words !== undefined && part(name).textContent !== words) part(name).textContent = words;
  }
}

// Asks for something; what is refused becomes a notice.
async function ask(path, method) {
  const page = stage();
  let problem = page.dataset.reload;
  try {
    const answer = await fetch(asked(path), { method });
    // Nobody is there any more who wants to know.
    if (stage() !== page) return null;
    if (answer.ok) return answer;
    problem = (await answer.json()).error.message;
  } catch { /* It is told. */ }
  if (stage() === page) tell(undefined, problem);
  return null;
}

async function list() {
  const answer = await ask("", "GET");
  if (!answer) return;
  const html = await answer.text();
  const place = document.querySelector(".history");
  if (!place) return;
  place.innerHTML = html;
  const spoken = navigator.languages.find((each) => each.startsWith(language)) ?? language;
  const clock = new Intl.DateTimeFormat(spoken, { dateStyle: "short", timeStyle: "short" });
  for (const time of place.querySelectorAll("time")) {
    time.textContent = clock.format(new Date(time.dateTime));
  }
  mark();
}

function mark() {
  for (const link of document.querySelectorAll("[data-open]")) {
    if (link.dataset.open === job) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

document.addEventListener("click", async (event) => {
  const at = (selector) => event.target.closest?.(selector);
  const link = at("[data-open]");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    show(link.dataset.open);
    mark();
  } else if (at(".cancel")) {
    at(".cancel").disabled = true;
    if (!(await ask(`/${encodeURIComponent(job)}`, "DELETE"))) part(".cancel").disabled = false;
  } else if (at("[data-again]")) {
    const button = at("[data-again]");
    button.disabled = true;
    const answer = await ask(`/${encodeURIComponent(job)}/again`, "POST");
    button.disabled = false;
    if (answer) {
      show((await answer.json()).job);
      list();
    }
  } else if (at("[data-at]")) {
    const player = part("audio");
    player.currentTime = Number(at("[data-at]").dataset.at);
    player.play();
  } else if (at(".piano-roll")) {
    const roll = at(".piano-roll");
    const box = roll.getBoundingClientRect();
    const seconds = roll.viewBox.baseVal.width / Number(roll.dataset.second);
    part("audio").currentTime = ((event.clientX - box.left) / box.width) * seconds;
  }
});

// The line that is sung, and where the song is among its notes.
function follow(player) {
  const now = player.currentTime;
  const rows = [...part(".card").querySelectorAll("[data-at]")];
  const sung = rows.filter((row) => Number(row.dataset.at) <= now + 0.05).at(-1);
  for (const row of rows) {
    if (row === sung) {
      if (row.getAttribute("aria-current") !== "true") {
        row.setAttribute("aria-current", "true");
        const box = row.closest("ol");
        box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
      }
    } else {
      row.removeAttribute("aria-current");
    }
  }
  const roll = part(".piano-roll");
  roll?.querySelector(".playhead").setAttribute(
    "transform", `translate(${now * Number(roll.dataset.second)} 0)`);
}

// These do not bubble.
for (const name of ["timeupdate", "seeked"]) {
  document.addEventListener(name, (event) => {
    if (event.target.matches?.("[data-stage] audio")) follow(event.target);
  }, true);
}

// Gradio lays the page out late, and says here which song it has had made.
let begun = null;
let made = "";
new MutationObserver(() => {
  if (stage() !== begun) {
    // Also when somebody leaves the page, or comes back to it.
    begun = stage();
    source?.close();
    job = made = "";
    if (!begun) return;
    list();
    const wanted = new URL(location.href).searchParams.get("job");
    if (wanted) show(wanted);
  }
  const next = document.querySelector("[data-made]")?.dataset.made ?? "";
  if (begun && next !== made) {
    made = next;
    show(made);
    list();
  }
}).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-made"] });

// What the conversation needs in a browser: copying, following what is written, telling it to screen
// readers a sentence at a time, and saying so when the connection breaks off.

const words = () => document.getElementById("chat-words")?.dataset ?? {};
const growing = () => document.querySelector("#chat-log [data-growing]");

// Read aloud politely; the conversation itself is replaced many times a second.
const spoken = document.createElement("div");
spoken.id = "chat-spoken";
spoken.setAttribute("role", "status");
spoken.setAttribute("aria-live", "polite");
document.body.append(spoken);

let told = 0;
let follows = true;
let unfinished = false;
let changes = 0;
let doubted = false;

function say(text) {
  const line = document.createElement("p");
  line.textContent = text;
  spoken.append(line);
}

/** Says what is new of the last answer, up to the end of its last whole sentence. */
function tell() {
  const answers = document.querySelectorAll("#chat-log .chat-answer");
  const last = answers[answers.length - 1];
  if (!last) return;
  const text = last.querySelector("[data-said]").innerText;
  const done = "done" in last.dataset;
  if (!done && !unfinished) {
    unfinished = true;
    told = 0;
    spoken.replaceChildren();
  }
  if (!unfinished) return;
  // A waiting answer says so, and then begins anew.
  if (text.length < told || last.querySelector(".chat-waiting")) told = 0;
  const fresh = text.slice(told);
  const end = done ? fresh.length : fresh.search(/[.!?:][\s][^.!?:]*$|\n[^\n]*$/) + 1;
  if (end > 0 && fresh.trim() && !last.querySelector(".chat-waiting")) {
    say(fresh.slice(0, end));
    told += end;
  }
  if (done) unfinished = false;
}

function follow(log) {
  if (follows) log.scrollTop = log.scrollHeight;
}

/** Says in the page that what is being written came no further. */
function cut() {
  const answer = growing();
  if (!answer || answer.querySelector(".chat-note")) return;
  const note = document.createElement("p");
  note.className = "chat-note";
  note.textContent = words().cut;
  answer.append(note);
  say(note.textContent);
}

/** A connection may be broken: it is, if the answer does not go on. */
function doubt() {
  const seen = changes;
  setTimeout(() => {
    if (changes === seen) cut();
  }, 2500);
}

function begin(log) {
  log.tabIndex = 0;
  log.setAttribute("role", "region");
  log.setAttribute("aria-label", words().log ?? "");
  log.addEventListener("scroll", () => {
    follows = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  });
  new MutationObserver(() => {
    changes += 1;
    follow(log);
    tell();
  }).observe(log, { childList: true, subtree: true, characterData: true });
}

async function copy(button) {
  const said = button.parentElement.querySelector("[data-said]");
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(said.innerText);
  } else {
    // Without TLS there is no clipboard but by selecting.
    getSelection().selectAllChildren(said);
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  button.textContent = words().copied;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
window.addEventListener("offline", doubt);
document.addEventListener("studio:leave", () => {
  spoken.replaceChildren();
  unfinished = false;
  follows = true;
});
new MutationObserver(() => {
  const log = document.getElementById("chat-log");
  if (log && !("begun" in log.dataset) && words().log) {
    log.dataset.begun = "";
    begin(log);
  }
  // Gradio tells that it lost its server by a message above the page.
  if (document.querySelector(".toast-body.error")) {
    if (!doubted) doubt();
    doubted = true;
  } else {
    doubted = false;
  }
}).observe(document.body, { childList: true, subtree: true });

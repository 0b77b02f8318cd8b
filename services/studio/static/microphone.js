// Says what is wrong with the microphone, or with what it recorded, in the page's language: Gradio's
// recorder says nothing.

import { sentenceOf } from "./messages.js";
import { leaveWhole } from "./pages.js";

const place = () => document.querySelector(".studio-microphone");
const there = Boolean(navigator.mediaDevices?.getUserMedia);
const original = there ? navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices) : null;

function show(sentence) {
  const note = place();
  if (note) note.textContent = sentence;
}

function say(problem) {
  show(problem ? place()?.dataset[problem] : "");
}

// The microphone's stream. Rejects with an error whose message is the word of a sentence.
export async function microphone(wish = { audio: true }) {
  if (!there) throw new Error("insecure");
  leaveWhole();
  try {
    return await original(wish);
  } catch (error) {
    throw new Error(error.name === "NotAllowedError" ? "refused" : "missing", { cause: error });
  }
}

if (there) {
  navigator.mediaDevices.getUserMedia = async (wish) => {
    say("");
    try {
      return await microphone(wish);
    } catch (error) {
      say(error.message);
      throw error.cause;
    }
  };
} else {
  document.addEventListener("click", (event) => {
    if (event.target.closest(".record-button")) say("insecure");
  }, true);
}

// It has just been said.
window.addEventListener("unhandledrejection", (event) => {
  if (String(event.reason?.message).startsWith("Error accessing the microphone")) event.preventDefault();
});

// Of a recording that was not uploaded it tells the console alone.
const log = console.error.bind(console);
console.error = (...told) => {
  log(...told);
  const message = told[0] instanceof Error ? told[0].message : "";
  const sentence = sentenceOf(message);
  if (message.startsWith("File(s) exceed")) say("long");
  else if (sentence) show(sentence);
};

// It keeps such a recording, whatever is clicked, until another source is chosen.
const source = (word) => document.querySelector(`[data-testid=source-select] button[aria-label="${place().dataset[word]}"]`);
document.addEventListener("click", async ({ target }) => {
  if (target.closest("[data-testid=source-select] button")) {
    say("");
  } else if (place()?.textContent && target.closest(".audio-container .icon-button")) {
    source("upload").click();
    await new Promise(requestAnimationFrame);
    source("record").click();
  }
}, true);

// Gradio names these in English alone.
function name() {
  const words = place()?.dataset;
  if (!words) return;
  for (const [label, word] of [["Upload file", words.upload], ["Record audio", words.record]]) {
    document.querySelectorAll(`button[aria-label="${label}"]`).forEach((each) => each.setAttribute("aria-label", word));
  }
}
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
name();

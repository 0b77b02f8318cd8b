// The page "emotion": plays what was recorded from the browser's own copy, and listens live.

import { microphone } from "./microphone.js";

const EVERY = 250; // Milliseconds between two pieces of live sound.
const PATIENCE = 15000; // Milliseconds that the server has for an answer.
const RATE = 16000; // What is asked of browsers; one that cannot tells its own.

// --- A recording -------------------------------------------------------------------------------

let copy = null; // The recording, as an address of this browser alone: the server deletes its own.
let copied = null; // Where it was fetched from.

async function keepCopy() {
  const link = document.querySelector("#emotion-recording a[download][href]");
  if (!link || link.href === copied) return;
  copied = link.href;
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) return;
    if (copy) URL.revokeObjectURL(copy);
    copy = URL.createObjectURL(await answer.blob());
  } catch { /* Then there is nothing to play, and all else works. */ }
}

function showPlayer() {
  const place = document.querySelector("[data-player]:empty");
  if (!place || !copy) return;
  const player = document.createElement("audio");
  player.controls = true;
  player.src = copy;
  player.setAttribute("aria-label", place.dataset.player);
  place.append(player);
  document.querySelectorAll("[data-play]").forEach((button) => { button.disabled = false; });
  document.querySelectorAll("#emotion-result .emotion-lanes").forEach((lanes) => lanes.classList.add("emotion-plays"));
}

function playFrom(seconds) {
  const player = document.querySelector("[data-player] audio");
  if (!player) return;
  player.currentTime = seconds;
  player.play();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-play]");
  if (button) return playFrom(Number(button.dataset.play));
  const lanes = event.target.closest("#emotion-result .emotion-plays");
  if (!lanes) return;
  const box = lanes.getBoundingClientRect();
  playFrom(Number(lanes.dataset.start) + ((event.clientX - box.left) / box.width) * Number(lanes.dataset.seconds));
});

// A file that is too large is refused before it is sent, in our words.
function refuseLarge(files, event) {
  const note = document.querySelector("[data-most-bytes]");
  const large = note && [...(files || [])].some((file) => file.size > Number(note.dataset.mostBytes));
  document.querySelector(".emotion-too-large")?.remove();
  if (!large) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.target.value) event.target.value = "";
  const problem = document.createElement("p");
  problem.className = "emotion-too-large emotion-problem";
  problem.setAttribute("role", "alert");
  problem.textContent = note.dataset.tooLarge;
  note.after(problem);
}
document.addEventListener("change", (event) => {
  if (event.target.matches("#emotion-recording input[type=file]")) refuseLarge(event.target.files, event);
}, true);
document.addEventListener("drop", (event) => {
  if (event.target.closest("#emotion-recording")) refuseLarge(event.dataTransfer?.files, event);
}, true);

// --- Live --------------------------------------------------------------------------------------

let live = null; // {id, context, stream, samples, sending, timer}
let begun = 0; // How often somebody wanted to be heard.

const part = (name) => document.querySelector(`#emotion-live .emotion-live-${name}`);
const said = () => document.querySelector("#emotion-live").dataset;

function show(answer) {
  if (answer.html !== null && answer.html !== undefined) part("now").innerHTML = answer.html;
  tell(answer.status);
}

function tell(sentence) {
  const status = part("status");
  if (status && status.textContent !== sentence) status.textContent = sentence;
}

function listening(yes) {
  part("start").hidden = yes;
  part("stop").hidden = !yes;
  (yes ? part("stop") : part("start")).focus();
}

async function ask(method, path, body) {
  const { address, language } = said();
  const answer = await fetch(`${address}${path}${path.includes("?") ? "&" : "?"}language=${language}`, {
    method, body, headers: { "content-type": "application/octet-stream" }, signal: AbortSignal.timeout(PATIENCE),
  });
  if (answer.status === 401) throw new Error("out");
  if (!answer.ok) throw new Error("lost");
  return answer.json();
}

async function opened() {
  const made = { stream: await microphone(), context: null, samples: [], sending: false };
  try {
    await connect(made);
  } catch (error) {
    // Nobody else knows of the microphone, which would stay open.
    letGo(made);
    throw error;
  }
  return made;
}

async function connect(made) {
  made.context = new AudioContext({ sampleRate: RATE });
  let source;
  try {
    source = made.context.createMediaStreamSource(made.stream);
  } catch {
    // Some browsers do not change a microphone's rate.
    const unable = made.context;
    made.context = new AudioContext();
    await unable.close();
    source = made.context.createMediaStreamSource(made.stream);
  }
  await made.context.audioWorklet.addModule(new URL("emotion-worklet.js", import.meta.url));
  const node = new AudioWorkletNode(made.context, "orfeon-pass", { numberOfOutputs: 0 });
  node.port.onmessage = ({ data }) => made.samples.push(data);
  source.connect(node);
}

function letGo({ stream, context }) {
  stream.getTracks().forEach((track) => track.stop());
  context?.close();
}

function taken(pieces) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(2 * length));
  let at = 0;
  for (const piece of pieces) {
    for (const sample of piece) {
      view.setInt16(at, Math.max(-1, Math.min(1, sample)) * 32767, true);
      at += 2;
    }
  }
  return view.buffer;
}

async function send() {
  const mine = live;
  if (!mine || mine.sending) return;
  mine.sending = true;
  try {
    const answer = await ask("POST", `/${mine.id}`, taken(mine.samples.splice(0)));
    if (live !== mine) return;
    show(answer);
    if (answer.ended) release();
  } catch (error) {
    if (live === mine) fail(error);
  } finally {
    mine.sending = false;
  }
}

function fail(error) {
  release();
  tell(said()[error.message] || said().lost);
}

function release() {
  if (!live) return;
  clearInterval(live.timer);
  letGo(live);
  live = null;
  listening(false);
}

async function start() {
  begun += 1;
  part("start").disabled = true;
  part("now").replaceChildren();
  tell(said().asking);
  let made = null;
  try {
    made = await opened();
    const answer = await ask("POST", `?rate=${made.context.sampleRate}`);
    live = Object.assign(made, { id: answer.id });
    live.timer = setInterval(send, EVERY);
    live.stream.getTracks().forEach((track) => track.addEventListener("ended", stop));
    listening(true);
    show(answer);
  } catch (error) {
    if (made) letGo(made);
    tell(said()[error.message] || said().lost);
  } finally {
    part("start").disabled = false;
  }
}

async function stop() {
  if (!live) return;
  const { id } = live;
  release();
  // Who begins again meanwhile sees what becomes of that.
  const mine = begun;
  try {
    const answer = await ask("DELETE", `/${id}`);
    if (begun === mine) show(answer);
  } catch (error) {
    if (begun === mine) tell(said()[error.message] || said().lost);
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest(".emotion-live-start")) start();
  else if (event.target.closest(".emotion-live-stop")) stop();
});
window.addEventListener("pagehide", () => {
  if (live) fetch(`${said().address}/${live.id}`, { method: "DELETE", keepalive: true });
});

new MutationObserver(() => { keepCopy(); showPlayer(); }).observe(document.body, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["href"],
});

// Opens the pages of the menu in place. What a browser has fetched, read and run of Gradio is most of
// what a page costs it, and serves the next one too.

const MENU = ".studio-header nav a, a.studio-brand";
const CONFIG = /^\s*window\.gradio_config = (.*);\s*$/s;

// A microphone, a player or an upload lives on without its page: who used one has the browser open
// the next page, which ends all there was.
let whole = false;
// And of each page that was left Gradio keeps some half a megabyte.
const MOST = 20;
let turned = 0;
let asked = 0;
let here = location.pathname;

export function leaveWhole() {
  whole = true;
}

for (const name of ["play", "drop"]) document.addEventListener(name, leaveWhole, true);
document.addEventListener("change", ({ target }) => {
  if (target.type === "file") leaveWhole();
}, true);
document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData?.files.length) leaveWhole();
}, true);
// Some players are in no document, and so what happens to them is not seen there.
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  leaveWhole();
  return play.call(this);
};

// Heard instead of what a browser says of a page that it has opened itself.
const told = document.createElement("p");
told.className = "studio-told";
told.setAttribute("role", "status");
document.body.append(told);

// What runs a page. After an upgrade it is another one, which only the browser can begin.
function code(page) {
  const scripts = [...page.querySelectorAll("head script[src]")].map((each) => each.getAttribute("src"));
  return scripts.filter((each) => each.endsWith("/frames.js") || each.includes("/assets/")).join();
}

function configOf(page) {
  for (const { textContent } of page.scripts) {
    const found = CONFIG.exec(textContent);
    if (found) return JSON.parse(found[1]);
  }
  throw new Error("no page of Gradio's");
}

// The files that a page brings of its own, of which none goes when it is left.
function fetched(page) {
  const files = [];
  for (const { href } of page.querySelectorAll("head link[rel=stylesheet][href^='/']")) {
    if ([...document.styleSheets].some((each) => each.href === href)) continue;
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    files.push(new Promise((done, failed) => Object.assign(sheet, { onload: done, onerror: failed })));
    document.head.append(sheet);
  }
  for (const { src } of page.querySelectorAll("head script[type=module][src^='/']")) files.push(import(src));
  return Promise.all(files);
}

async function pageAt(address) {
  const answer = await fetch(address);
  // Of somebody who is not signed in any more.
  if (!answer.ok || answer.redirected) throw new Error("no page");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (code(page) !== code(document)) throw new Error("another version");
  const config = configOf(page);
  await fetched(page);
  return { page, config };
}

// Resolves to whether the page at an address is the one that is shown.
async function turnTo(address, remember) {
  const mine = ++asked;
  document.documentElement.classList.add("studio-turning");
  try {
    const { page, config } = await pageAt(address);
    if (mine !== asked) return true;
    // The next page comes whole if this one was used meanwhile.
    if (whole) return false;
    if (remember && new URL(address).pathname !== here) history.pushState(null, "", address);
    show(page, config);
    return true;
  } catch {
    return mine !== asked;
  } finally {
    if (mine === asked) document.documentElement.classList.remove("studio-turning");
  }
}

function show(page, config) {
  here = location.pathname;
  document.dispatchEvent(new Event("studio:leave"));
  // So Gradio lets go of its server, as when its page is closed.
  dispatchEvent(new Event("beforeunload"));
  document.title = page.title;
  document.querySelector(".studio-header").replaceWith(page.querySelector(".studio-header"));
  window.gradio_config = config;
  const app = document.querySelector("gradio-app");
  // Connected again, it is laid out anew.
  app.remove();
  app.replaceChildren();
  document.getElementById("studio-content").after(app);
  scrollTo(0, 0);
  document.getElementById("studio-content").focus({ preventScroll: true });
  told.textContent = page.title;
  turned += 1;
  if (turned === MOST) leaveWhole();
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.(MENU);
  const plain = !(event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!link || !plain || whole) return;
  event.preventDefault();
  if (!(await turnTo(link.href, true))) location.assign(link.href);
});
addEventListener("popstate", async () => {
  // Places within a page are none of ours.
  if (location.pathname === here) return;
  if (whole || !(await turnTo(location.href, false))) location.reload();
});

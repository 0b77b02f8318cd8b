// Says what is wrong with the microphone, in the page's language: Gradio's recorder says nothing.

const place = () => document.querySelector(".studio-microphone");
const there = Boolean(navigator.mediaDevices?.getUserMedia);
const original = there ? navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices) : null;

function say(problem) {
  const note = place();
  if (note) note.textContent = problem ? note.dataset[problem] : "";
}

// The microphone's stream. Rejects with an error whose message is the word of a sentence.
export async function microphone(wish = { audio: true }) {
  if (!there) throw new Error("insecure");
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

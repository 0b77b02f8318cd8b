// Mends what Gradio's components lack for screen readers, and starts what pages bring of their own.

import { inOurWords } from "./messages.js";
import "./microphone.js";
import "./pages.js";

function mend() {
  inOurWords();
  // What changes inside is said aloud, though Gradio replaces all of it.
  for (const each of document.querySelectorAll(".live:not(.live .live, [role])")) each.setAttribute("role", "status");
  // A message is a button that holds a button, of which nobody can tell which is which.
  for (const each of document.querySelectorAll(".toast-header[role=button]")) {
    each.removeAttribute("role");
    each.removeAttribute("tabindex");
  }
  // Each radio button has a name of its own, and their group has none.
  document.querySelectorAll("fieldset:has(input[type=radio])").forEach(group);
}

// So that arrow keys lead from one to the next, and that it is said what is chosen.
function group(fieldset, number) {
  const name = `choice-${fieldset.id || number}`;
  const heading = fieldset.querySelector("[data-testid=block-info]");
  if (heading && !fieldset.hasAttribute("aria-labelledby")) {
    heading.id ||= `${name}-heading`;
    fieldset.setAttribute("role", "radiogroup");
    fieldset.setAttribute("aria-labelledby", heading.id);
  }
  for (const radio of fieldset.querySelectorAll("input[type=radio]")) {
    if (radio.name !== name) radio.name = name;
  }
}

// Gradio names radio buttons anew when one is chosen.
const changes = { childList: true, subtree: true, attributeFilter: ["name"] };
new MutationObserver(mend).observe(document.body, changes);
mend();

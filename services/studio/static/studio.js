// Mends what Gradio's components lack for screen readers, and starts what pages bring of their own.

function mend() {
  // What changes inside is said aloud, though Gradio replaces all of it.
  for (const each of document.querySelectorAll(".live:not(.live .live, [role])")) each.setAttribute("role", "status");
  // A message is a button that holds a button, of which nobody can tell which is which.
  for (const each of document.querySelectorAll(".toast-header[role=button]")) {
    each.removeAttribute("role");
    each.removeAttribute("tabindex");
  }
}

new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
mend();

// Copies what was said.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const words = [...document.querySelectorAll(button.dataset.copies)].map((each) => each.textContent);
  await write(words.join("").trim());
  const name = button.textContent;
  button.textContent = button.dataset.copied;
  button.setAttribute("aria-live", "polite");
  setTimeout(() => { button.textContent = name; }, 5000);
});

// Without TLS browsers have no clipboard for pages, but for what is selected they do.
async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

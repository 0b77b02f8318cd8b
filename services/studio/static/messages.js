// What Gradio says in English of files that it does not upload, in the language of the page.
const WORDS = [
  {
    said: /^File\(s\) exceed the maximum allowed size of ([\d.]+ \w+)/,
    en: (most) => `This file is too large: at most ${most} can be uploaded.`,
    es: (most) => `Este archivo es demasiado grande: se pueden subir ${most} como mucho.`,
  },
  {
    said: /^Invalid file type: /,
    en: () => "A file of this kind cannot be used here. Choose another one.",
    es: () => "Un archivo de este tipo no sirve aquí. Elige otro.",
  },
];

export function inOurWords() {
  for (const each of document.querySelectorAll(".toast-body *:not(:has(*))")) {
    for (const words of WORDS) {
      const found = words.said.exec(each.textContent.trim());
      if (found) each.textContent = words[document.documentElement.lang](found[1]);
    }
  }
}

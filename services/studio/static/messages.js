// What Gradio says in English of files that it does not upload and of lost connections, in the
// language of the page.
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
  {
    // What the web app answered to an upload, which is in the language of the page.
    said: /HTTP \d{3}: .*"detail": ?"([^"]+)"/,
    en: (detail) => detail,
    es: (detail) => detail,
  },
  {
    said: /^(?:Connection to the server was lost|Connection errored out|Failed to fetch|NetworkError)/,
    en: () => "The connection was lost. As soon as it is back you can try again.",
    es: () => "Se perdió la conexión. En cuanto vuelva puedes intentarlo de nuevo.",
  },
  {
    said: /^This application is currently busy/,
    en: () => "There is too much to do at the moment. Wait a moment and try again.",
    es: () => "Hay demasiado trabajo en este momento. Espera un poco e inténtalo de nuevo.",
  },
  {
    said: /^An Unexpected Error Occurred/,
    en: () => "Something went wrong here. Try again.",
    es: () => "Algo falló aquí. Inténtalo de nuevo.",
  },
];

// A message of Gradio's in our words; null for one that is not of these.
export function sentenceOf(message) {
  for (const words of WORDS) {
    const found = words.said.exec(message.trim());
    if (found) return words[document.documentElement.lang](found[1]);
  }
  return null;
}

export function inOurWords() {
  for (const each of document.querySelectorAll(".toast-body *:not(:has(*))")) {
    const sentence = sentenceOf(each.textContent);
    if (sentence) each.textContent = sentence;
  }
}

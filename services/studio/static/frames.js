// Gradio counts the seconds of its loading screen in every frame, and goes on when that is gone:
// some 4 % of a core for as long as a page is open. So what was begun before the page was laid out,
// and still asks for every frame a moment later, gets one a second. Runs before Gradio's own script.

{
  const MOMENT = 300;
  const PAUSE = 1000;
  const ask = window.requestAnimationFrame.bind(window);
  let early = true;
  let slow = false;

  window.requestAnimationFrame = (draw) => {
    const mine = early;
    const frame = (time) => {
      const others = early;
      // What is asked for in a frame belongs to whoever asked for that.
      early = mine;
      try {
        draw(time);
      } finally {
        early = others;
      }
    };
    return ask((time) => (mine && slow ? setTimeout(() => ask(frame), PAUSE) : frame(time)));
  };

  const watch = new MutationObserver(() => {
    if (!document.querySelector("gradio-app h1")) return;
    watch.disconnect();
    early = false;
    // In a tab that nobody sees no frame is drawn: what waits is not slow.
    ask(() => setTimeout(() => (slow = true), MOMENT));
  });
  watch.observe(document, { childList: true, subtree: true });
}

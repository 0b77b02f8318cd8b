// Gradio counts the seconds of its loading screen, whose emblem springs, in every frame, and goes on
// when that is gone: some 4 % of a core for as long as a page is open. So what was begun before a
// page was laid out gets a timer once it is: often until springs have come to rest, whose loop later
// ones share, and then one a second. Runs before Gradio's own script.

{
  const OFTEN = 33;
  const SELDOM = 1000;
  const SPRINGS = 6000; // Milliseconds.
  const ask = window.requestAnimationFrame.bind(window);
  let early = true;
  let laidOut = Infinity;

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
    const now = performance.now();
    if (!mine || now < laidOut) return ask(frame);
    setTimeout(() => frame(performance.now()), now < laidOut + SPRINGS ? OFTEN : SELDOM);
    return 0;
  };

  const watch = new MutationObserver(() => {
    if (!document.querySelector("gradio-app h1")) return;
    watch.disconnect();
    early = false;
    // In a tab that nobody sees no frame is drawn, and nothing comes to rest.
    ask(() => (laidOut = performance.now()));
  });
  const begin = () => watch.observe(document, { childList: true, subtree: true });
  begin();
  document.addEventListener("studio:leave", () => {
    early = true;
    laidOut = Infinity;
    begin();
  });
}

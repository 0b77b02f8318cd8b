// Passes the microphone's samples on, as they come.
class Pass extends AudioWorkletProcessor {
  process(inputs) {
    const channel = inputs[0][0];
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
}
registerProcessor("orfeon-pass", Pass);

// Runs in the page before its own scripts: passes each chunk that the microphone's worklet or the
// MediaRecorder delivers to `collectChunk` too, in base64.

// An empty page is no secure context, and has neither.
if (globalThis.isSecureContext) {
  globalThis.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(...given) {
      super(...given);
      this.port.addEventListener('message', ({ data }) => {
        if (data.chunk) deliver(data.chunk.slice(0));
      });
    }
  };
  globalThis.MediaRecorder = class extends MediaRecorder {
    constructor(...given) {
      super(...given);
      let last = Promise.resolve(); // in order, although reading a blob is asynchronous
      this.addEventListener('dataavailable', ({ data }) => {
        last = last.then(async () => { deliver(await data.arrayBuffer()); });
      });
    }
  };
}

function deliver(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  globalThis.collectChunk(btoa(characters.join('')));
}

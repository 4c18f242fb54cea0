/**
 * Runs in the browser's audio thread: makes chunks of signed 16-bit little endian PCM of what it
 * hears, and measures their level. Told 'stop', it hands over what it has and ends.
 */
class Microphone extends AudioWorkletProcessor {
  #channels;
  #chunkFrames;
  #view;
  #filled = 0; // frames in the view
  #frames = 0; // all that were ever heard
  #peak = 0;
  #squares = 0;
  #isOver = false;

  constructor({ processorOptions }) {
    super();
    this.#channels = processorOptions.channels;
    this.#chunkFrames = processorOptions.chunkFrames;
    this.#begin();
    this.port.onmessage = () => this.#end();
  }

  process([input]) {
    // An input that nothing plays into has no channels: that is no silence, there is nothing.
    if (this.#isOver || input.length === 0) return !this.#isOver;
    for (let frame = 0; frame < input[0].length; frame++) {
      for (let channel = 0; channel < this.#channels; channel++) {
        this.#write(channel, input[channel][frame]);
      }
      this.#frames++;
      if (++this.#filled === this.#chunkFrames) this.#deliver();
    }
    return true;
  }

  #write(channel, sample) {
    const place = 2 * (this.#filled * this.#channels + channel);
    const value = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    this.#view.setInt16(place, value, true);
    this.#peak = Math.max(this.#peak, Math.abs(sample));
    this.#squares += sample * sample;
  }

  #deliver() {
    const chunk = this.#view.buffer.slice(0, 2 * this.#filled * this.#channels);
    const rms = Math.sqrt(this.#squares / (this.#filled * this.#channels));
    this.port.postMessage({ chunk, level: { peak: this.#peak, rms } }, [chunk]);
    this.#begin();
  }

  #begin() {
    this.#view = new DataView(new ArrayBuffer(2 * this.#channels * this.#chunkFrames));
    this.#filled = 0;
    this.#peak = 0;
    this.#squares = 0;
  }

  #end() {
    if (this.#filled > 0) this.#deliver();
    this.#isOver = true;
    this.port.postMessage({ frames: this.#frames });
  }
}

registerProcessor('sercuescribe-microphone', Microphone);

/**
 * Convert the input to chunks of signed 16-bit little endian PCM in the browser's audio thread, and
 * measure their level. After a 'stop' message, post the last chunk and end.
 */
class MicrophoneProcessor extends AudioWorkletProcessor {
  #channels;
  #chunkFrames;
  #samples; // of the next chunk
  #filledFrames = 0; // frames in #samples
  #totalFrames = 0; // of all chunks
  #peak = 0;
  #sumOfSquares = 0;
  #isStopped = false;

  /** @param {{ processorOptions: { channels: number, chunkFrames: number } }} options */
  constructor({ processorOptions }) {
    super();
    this.#channels = processorOptions.channels;
    this.#chunkFrames = processorOptions.chunkFrames;
    this.#samples = this.#createSamples();
    this.port.onmessage = () => this.#stop();
  }

  /** @param {Float32Array[][]} inputs */
  process([input]) {
    // An input without a connected source has no channels; it is not silence, and adds no frames.
    if (this.#isStopped || input.length === 0) return !this.#isStopped;
    for (let frame = 0; frame < input[0].length; frame++) {
      for (let channel = 0; channel < this.#channels; channel++) {
        this.#write(channel, input[channel][frame]);
      }
      this.#totalFrames++;
      if (++this.#filledFrames === this.#chunkFrames) this.#postChunk();
    }
    return true;
  }

  /**
   * @param {number} channel
   * @param {number} sample
   */
  #write(channel, sample) {
    const place = 2 * (this.#filledFrames * this.#channels + channel);
    const value = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    this.#samples.setInt16(place, value, true);
    this.#peak = Math.max(this.#peak, Math.abs(sample));
    this.#sumOfSquares += sample * sample;
  }

  #postChunk() {
    const chunk = this.#samples.buffer.slice(0, 2 * this.#filledFrames * this.#channels);
    const rms = Math.sqrt(this.#sumOfSquares / (this.#filledFrames * this.#channels));
    this.port.postMessage({ chunk, level: { peak: this.#peak, rms } }, [chunk]);
    this.#samples = this.#createSamples();
    this.#filledFrames = 0;
    this.#peak = 0;
    this.#sumOfSquares = 0;
  }

  #createSamples() {
    return new DataView(new ArrayBuffer(2 * this.#channels * this.#chunkFrames));
  }

  #stop() {
    if (this.#filledFrames > 0) this.#postChunk();
    this.#isStopped = true;
    this.port.postMessage({ frames: this.#totalFrames });
  }
}

registerProcessor('sercuescribe-microphone', MicrophoneProcessor);

const COLUMN_SECONDS = 0.05;
const POSITION_BYTES = 8; // in front of the samples of each message
const LEAD_SECONDS = 0.2; // of what is heard, before what is played
const LATEST_SECONDS = 1.5; // what is further behind is left out
const AGAIN_MS = 1000;
const REFUSED = new Set([401, 403, 404]);
const [COMPLETED, POLICY] = [1000, 1008];
const FULL_SCALE = 32768;

/** Follows a session that is being recorded: its peaks, and its sound where that is wanted. */
export class Watcher {
  #service;
  #id;
  #told;
  #socket = null;
  #format = null;
  #refusal = null; // what the service said before it closed
  #next = 'now'; // the frame to go on from
  #isOver = false;
  #timer = null;
  #column = { frames: 0, peak: 0 };
  #context = null;
  #playedUntil = 0;

  /** `told` has `peak(value)`, for each column of the waveform, and `state(text)`. */
  constructor(service, id, told) {
    this.#service = service;
    this.#id = id;
    this.#told = told;
  }

  async start() {
    try {
      this.#socket = await this.#service.listen(this.#id, this.#next);
    } catch (error) {
      if (REFUSED.has(error.status)) this.#end(error.message);
      else this.#again();
      return;
    }
    this.#refusal = null;
    if (this.#isOver) return this.#socket.close();
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = ({ code }) => this.#lose(code);
  }

  stop() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.mute();
  }

  /** Play what comes from now on. */
  async unmute() {
    this.#context = new AudioContext();
    this.#playedUntil = 0;
    await this.#context.resume();
  }

  mute() {
    this.#context?.close();
    this.#context = null;
  }

  #hear(data) {
    if (typeof data === 'string') {
      const message = JSON.parse(data);
      if (message.type === 'session') {
        this.#format = { rate: message.sample_rate, channels: message.channels };
        this.#told.state('Live');
      }
      if (message.type === 'error') this.#refusal = message;
      return;
    }
    const position = Number(new DataView(data).getBigUint64(0, true));
    const samples = new Int16Array(data, POSITION_BYTES);
    this.#next = position + samples.length / this.#format.channels;
    this.#measure(samples);
    if (this.#context) this.#play(samples);
  }

  #measure(samples) {
    const { rate, channels } = this.#format;
    const columnFrames = rate * COLUMN_SECONDS;
    for (let at = 0; at < samples.length; at += channels) {
      for (let channel = 0; channel < channels; channel++) {
        this.#column.peak = Math.max(this.#column.peak, Math.abs(samples[at + channel]));
      }
      if (++this.#column.frames >= columnFrames) {
        this.#told.peak(this.#column.peak / FULL_SCALE);
        this.#column = { frames: 0, peak: 0 };
      }
    }
  }

  #play(samples) {
    const { rate, channels } = this.#format;
    const now = this.#context.currentTime;
    if (this.#playedUntil < now) this.#playedUntil = now + LEAD_SECONDS;
    if (this.#playedUntil > now + LATEST_SECONDS) return;
    const buffer = this.#context.createBuffer(channels, samples.length / channels, rate);
    for (let channel = 0; channel < channels; channel++) {
      const plane = buffer.getChannelData(channel);
      for (let frame = 0; frame < plane.length; frame++) {
        plane[frame] = samples[frame * channels + channel] / FULL_SCALE;
      }
    }
    const player = new AudioBufferSourceNode(this.#context, { buffer });
    player.connect(this.#context.destination);
    player.start(this.#playedUntil);
    this.#playedUntil += buffer.duration;
  }

  #lose(code) {
    if (this.#isOver) return;
    if (code === COMPLETED) this.#end('The recording is finished.');
    else if (code !== POLICY) this.#again();
    else if (this.#refusal?.code === 'credentials_expired') this.#renew();
    else this.#end(this.#refusal?.error ?? 'The service refuses.');
  }

  #renew() {
    this.#service.forgetToken(this.#id);
    this.#again();
  }

  #end(text) {
    this.#told.state(text);
    this.stop();
  }

  #again() {
    if (this.#isOver) return;
    this.#told.state('Connection lost. Trying again…');
    this.#timer = setTimeout(() => this.start(), AGAIN_MS);
  }
}

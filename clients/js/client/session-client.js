import { bytesOf, pieces } from './chunks.js';
import { deferred } from './deferred.js';
import { Delivery } from './delivery.js';
import { asSessionError, SessionError, toldBy } from './errors.js';
import { Stateful } from './events.js';
import { Journal } from './journal.js';
import { Keeper } from './keeper.js';
import { Line } from './line.js';
import { address, mustFit } from './parameters.js';
import { cut, sourceOf } from './sources.js';

const DEFAULTS = { maxBufferedBytes: 64 * 1024 * 1024, maxUnackedChunks: 64, silenceMs: 20_000 };

/** One session, recorded over as many connections as it takes. */
export class SessionClient extends Stateful {
  sessionId;
  #options;
  #parameters; // of the recording
  #source = null;
  #keeper;
  #buffer; // the keeper's
  #delivery;
  #line;
  #isRestored = false;
  #isGreeted = false; // on this connection
  #greeting = deferred(); // the first one
  #accepting = Promise.resolve(); // settles when all chunks handed over so far are taken
  #duration = 0;
  #stopping = null;
  #done = deferred();

  constructor(options) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    const { sessionId = null, sampleRate, channels, format } = options;
    this.sessionId = sessionId;
    this.#parameters = { sampleRate, channels, format };
    this.#keeper = new Keeper(this.#options.maxBufferedBytes, (error) => this.report(error));
    this.#buffer = this.#keeper.buffer;
    this.#delivery = new Delivery(this.#buffer, this.#options.maxUnackedChunks);
    this.#line = this.#makeLine(this.#options);
  }

  /** Sessions that pages of this origin began and left. */
  static async unfinished() {
    return await Journal.list();
  }

  /** Send the rest of such a session and close it; gives the final message. */
  static async resume(id, options = {}) {
    const journal = await Journal.take(id);
    if (!journal) throw new SessionError('not_unfinished', 'there is none, or a page works on it');
    const client = new SessionClient({ ...journal.about, ...options });
    await client.#restore(journal);
    return await client.stop();
  }

  /** Forget such a session, with what was not sent of it. */
  static async discard(id) {
    await (await Journal.take(id))?.remove();
  }

  /** Bytes that are kept because the service may need them again. */
  get bufferedBytes() {
    return this.#buffer.bytes;
  }

  /** Begin. Settles when the source delivers; without a source, `send` is for the caller. */
  async start(source = null) {
    if (this.state !== null) throw new SessionError('already_started');
    this.become('connecting');
    try {
      const opened = source && sourceOf(source);
      const { sessionId = null, url, userId, store } = this.#options;
      const about = { url, userId, sessionId, offset: null };
      if (store === 'indexeddb') await this.#keeper.begin(about);
      await this.#open(opened);
      await this.#source?.start(this.#sink());
    } catch (error) {
      this.#fail(asSessionError(error, 'source_failed'));
      throw error;
    }
  }

  /**
   * Hand over a chunk. Settles when it is kept, in the store as well if there is one. Where the
   * buffer is full, that is when the service has persisted enough. Order is that of the calls.
   */
  async send(chunk) {
    const reading = bytesOf(chunk);
    const taking = this.#accepting.then(async () => this.#accept(await reading));
    this.#accepting = taking.then(null, () => {});
    const stored = await taking;
    await Promise.all(stored);
  }

  /** Settles when everything handed over before is on the disk of the service. */
  async flush() {
    await this.#accepting;
    const target = this.#buffer.next;
    this.#delivery.flush(target);
    this.#advance();
    await this.#buffer.released(target);
  }

  /** Deliver everything, and close the session; gives the final message. */
  stop() {
    this.#stopping ??= this.#finish();
    return this.#stopping;
  }

  /** Leave at once. What was not sent is given up; the service completes the session in time. */
  abandon() {
    if (this.isOver) return;
    this.#keeper.remove();
    this.#end('failed', new SessionError('abandoned'));
  }

  // --- where chunks come from

  async #restore(journal) {
    this.#isRestored = true;
    this.#delivery.offset = journal.about.offset;
    await this.#keeper.restore(journal);
    this.become('connecting');
    this.#line.start();
  }

  async #open(source) {
    // A session that exists has its sample rate already, and the source has to keep to it.
    if (source && this.sessionId !== null && !this.#parameters.sampleRate) await this.#greeted();
    const parameters = await source?.open(this.#parameters);
    if (this.isOver) {
      await source?.stop(); // left while the user was asked for the microphone
      return;
    }
    this.#source = source;
    Object.assign(this.#parameters, parameters);
    await this.#keeper.note(this.#parameters);
    this.#line.start();
  }

  async #greeted() {
    this.#line.start();
    const greeting = await Promise.race([this.#greeting.promise, this.#done.promise]);
    this.#parameters.sampleRate = greeting.sample_rate;
    this.#parameters.channels = greeting.channels;
  }

  #sink() {
    return {
      chunk: (chunk) => this.send(chunk),
      level: (level) => this.tell('level', level),
      failed: (error) => this.isOver || this.report(asSessionError(error, 'source_failed')),
    };
  }

  async #accept(bytes) {
    const kept = [];
    for (const piece of pieces(bytes)) {
      await this.#room(piece.byteLength);
      if (this.isOver || this.#delivery.isEnded) throw ended();
      kept.push(this.#keeper.add(piece));
      this.#advance();
    }
    return kept;
  }

  async #room(size) {
    if (!this.#buffer.hasRoomFor(size)) {
      // What the service has will be persisted in a second; asked, it does that at once.
      this.#delivery.flush(this.#buffer.next);
      this.#advance();
    }
    await this.#buffer.room(size);
  }

  async #finish() {
    if (!this.isOver) this.become('finishing');
    try {
      await this.#source?.stop();
    } catch (error) {
      this.report(asSessionError(error, 'source_failed'));
    }
    await this.#accepting;
    this.#delivery.end();
    this.#advance();
    return await this.#done.promise;
  }

  // --- the connection

  #makeLine({ url, userId, token = null, refreshToken, silenceMs }) {
    const isResuming = () => this.#delivery.offset !== null;
    const way = {
      address: () => address(url, this.sessionId, isResuming(), { userId, ...this.#parameters }),
      token,
      refreshToken: refreshToken && (() => refreshToken(this.sessionId)),
      silenceMs,
    };
    return new Line(way, {
      heard: (message) => this.#hear(message),
      dropped: () => this.#drop(),
      ended: (error, isTold) => this.#refused(error, isTold),
      troubled: (error) => this.report(error),
      isWaiting: () => this.#delivery.isWaiting,
    });
  }

  #hear(message) {
    if (message.status === 'completed') this.#complete(message);
    else if (message.type === 'session') this.#greet(message);
    else {
      if (message.type === 'error') this.report(toldBy(message));
      if (this.#isGreeted) this.#count(message);
      this.#advance();
    }
  }

  async #greet(greeting) {
    const { connection } = this.#line;
    this.sessionId = greeting.session_id;
    try {
      mustFit(this.#parameters, greeting);
      this.#delivery.greet(greeting, this.#isRestored);
    } catch (error) {
      this.#fail(error);
      return;
    }
    // First noted, then sent: whoever goes on must find the session that has the chunks.
    await this.#keeper.note({ sessionId: this.sessionId, offset: this.#delivery.offset });
    if (connection !== this.#line.connection) return;
    this.#isGreeted = true;
    this.#greeting.resolve(greeting);
    if (this.state !== 'finishing') this.become('live');
    this.#count(greeting);
    this.#advance();
  }

  #count(message) {
    const grown = this.#delivery.count(message);
    this.#duration = Math.max(this.#duration, message.duration_seconds);
    const { acked } = this.#delivery;
    const { first: persisted } = this.#buffer;
    const durationSeconds = this.#duration;
    if (grown.includes('ack')) this.tell('ack', { chunkCount: acked, durationSeconds });
    if (!grown.includes('persisted')) return;
    this.#keeper.trim();
    this.tell('persisted', { chunkCount: persisted, durationSeconds });
  }

  #advance() {
    if (this.#isGreeted) this.#delivery.advance(this.#line.connection);
  }

  #drop() {
    this.#isGreeted = false;
    if (this.state !== 'finishing') this.become('reconnecting');
  }

  #refused(error, isTold) {
    // The answer to close_session was lost, or the service closed what a page had left.
    if (error.code === 'session_completed' && this.#delivery.isDelivered) {
      this.#complete(this.#delivery.lastMessage(this.sessionId, this.#duration));
    } else {
      this.#fail(error, isTold);
    }
  }

  async #complete(final) {
    this.#line.close();
    if (final.chunk_count - this.#delivery.offset < this.#buffer.next) {
      this.#fail(new SessionError('session_completed', 'it was closed before all was sent', final));
      return;
    }
    await this.#keeper.remove();
    this.#end('completed', null, final);
  }

  #fail(error, isTold = false) {
    if (!isTold) this.report(error);
    this.#end('failed', error);
  }

  #end(state, error, final) {
    if (this.isOver) return;
    this.#isGreeted = false;
    this.#line.close();
    this.#keeper.close(error ?? ended());
    if (this.#stopping === null) cut(this.#source, (problem) => this.report(problem));
    if (error) this.#done.reject(error);
    else this.#done.resolve(final);
    this.become(state);
  }
}

function ended() {
  return new SessionError('ended', 'the session takes no more chunks');
}

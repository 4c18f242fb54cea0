/** @import { Chunk, FinalMessage, SessionOptions, SessionWarning, Sink, Source } from '../sercuescribe.js' */

import { copyBytes, splitChunk } from './chunk-bytes.js';
import { ChunkStore } from './chunk-store.js';
import { deferred } from './deferred.js';
import { Delivery } from './delivery.js';
import { asSessionError, errorFromMessage, SessionError } from './errors.js';
import { checkParameters, socketUrl } from './parameters.js';
import { ReconnectingSocket } from './reconnecting-socket.js';
import { cancelSource, toSource } from './sources.js';
import { StatefulEventTarget } from './stateful-event-target.js';
import { StoredSession } from './stored-session.js';

const DEFAULTS = {
  maxBufferedBytes: 64 * 1024 * 1024,
  maxUnackedChunks: 64,
  answerTimeoutMs: 20_000,
};

/** Record one session; reconnect when a connection is lost. */
export class SessionClient extends StatefulEventTarget {
  sessionId;
  /** @type {SessionWarning[]} What could not be recorded, as far as the service has told it. */
  warnings = [];
  #warningCount = 0;
  #options;
  #parameters; // of the recording
  /** @type {Source | null} */
  #source = null;
  #chunkStore;
  #buffer; // of the chunk store
  #delivery;
  #socket;
  #isRestored = false;
  #isGreeted = false; // on this connection
  #firstGreeting = deferred();
  #lastAccepted = Promise.resolve(); // settles when all chunks so far are in the chunk store
  #durationSeconds = 0;
  #stopResult = null; // the promise of the first call of `stop`
  #result = deferred();

  /** @param {SessionOptions} options */
  constructor(options) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    const { sessionId = null, sampleRate, channels, format } = options;
    this.sessionId = sessionId;
    this.#parameters = { sampleRate, channels, format };
    const emitError = (error) => this.emitError(error);
    this.#chunkStore = new ChunkStore(this.#options.maxBufferedBytes, emitError);
    this.#buffer = this.#chunkStore.buffer;
    this.#delivery = new Delivery(this.#buffer, this.#options.maxUnackedChunks);
    this.#socket = this.#createSocket(this.#options);
  }

  /** Return the unfinished sessions that pages of this origin have stored. */
  static async unfinished() {
    return await StoredSession.listUnclaimed();
  }

  /** Send the rest of an unfinished session and close it; return the final message. */
  static async resume(id, options = {}) {
    const storedSession = await StoredSession.claim(id);
    if (!storedSession) {
      throw new SessionError('not_unfinished', 'it does not exist, or another page records it');
    }
    const client = new SessionClient({ ...storedSession.fields, ...options });
    await client.#restore(storedSession);
    return await client.stop();
  }

  /** Delete an unfinished session with its unsent chunks from the browser. */
  static async discard(id) {
    await (await StoredSession.claim(id))?.delete();
  }

  /** Bytes of the chunks that are not persisted. */
  get bufferedBytes() {
    return this.#buffer.bytes;
  }

  /** Start recording. Settles when the source has started; without a source, call `send`. */
  async start(source = null) {
    if (this.state !== null) throw new SessionError('already_started');
    this.setState('connecting');
    try {
      const opened = source && toSource(source);
      const { sessionId = null, url, userId, store } = this.#options;
      const fields = { url, userId, sessionId, offset: null };
      if (store === 'indexeddb') await this.#chunkStore.createStoredSession(fields);
      await this.#open(opened);
      await this.#source?.start(this.#createSink());
    } catch (error) {
      this.#fail(asSessionError(error, 'source_failed'));
      throw error;
    }
  }

  /**
   * Add a chunk, in the order of the calls. Settles when it is in the buffer, and in IndexedDB if
   * there is a store. If the buffer is full, `send` waits until the service has persisted enough.
   *
   * @param {Chunk} chunk
   */
  async send(chunk) {
    const bytes = copyBytes(chunk);
    const accepted = this.#lastAccepted.then(async () => this.#acceptChunk(await bytes));
    this.#lastAccepted = accepted.then(null, () => {});
    const stored = await accepted;
    await Promise.all(stored);
  }

  /** Settles when the service has persisted all chunks sent before. */
  async flush() {
    await this.#lastAccepted;
    const target = this.#buffer.nextNumber;
    this.#delivery.flush(target);
    this.#sendNext();
    await this.#buffer.waitForRelease(target);
  }

  /**
   * Deliver all chunks and close the session; return the final message.
   *
   * @returns {Promise<FinalMessage>}
   */
  stop() {
    this.#stopResult ??= this.#finish();
    return this.#stopResult;
  }

  /** Disconnect at once and drop the unsent chunks. The service completes the idle session. */
  abandon() {
    if (this.isFinished) return;
    this.#chunkStore.delete();
    this.#end('failed', new SessionError('abandoned'));
  }

  // --- chunks and their source

  async #restore(storedSession) {
    this.#isRestored = true;
    this.#delivery.offset = storedSession.fields.offset;
    await this.#chunkStore.restore(storedSession);
    this.setState('connecting');
    this.#socket.start();
  }

  async #open(source) {
    // An existing session has a sample rate, and the source must use it.
    const needsSampleRate = this.sessionId !== null && !this.#parameters.sampleRate;
    if (source && needsSampleRate) await this.#waitForGreeting();
    const parameters = await source?.open(this.#parameters);
    if (this.isFinished) {
      await source?.stop(); // abandoned while the browser asked for the microphone
      return;
    }
    this.#source = source;
    Object.assign(this.#parameters, parameters);
    await this.#chunkStore.updateStoredSession(this.#parameters);
    this.#socket.start();
  }

  async #waitForGreeting() {
    this.#socket.start();
    const greeting = await Promise.race([this.#firstGreeting.promise, this.#result.promise]);
    this.#parameters.sampleRate = greeting.sample_rate;
    this.#parameters.channels = greeting.channels;
  }

  /** @returns {Sink} */
  #createSink() {
    return {
      chunk: (chunk) => this.send(chunk),
      level: (level) => this.emit('level', level),
      failed: (error) => this.isFinished || this.emitError(asSessionError(error, 'source_failed')),
    };
  }

  async #acceptChunk(bytes) {
    const stored = [];
    for (const chunk of splitChunk(bytes)) {
      await this.#waitForRoom(chunk.byteLength);
      if (this.isFinished || this.#delivery.isInputEnded) throw endedError();
      stored.push(this.#chunkStore.add(chunk));
      this.#sendNext();
    }
    return stored;
  }

  async #waitForRoom(sizeBytes) {
    if (!this.#buffer.hasRoomFor(sizeBytes)) {
      // Without a flush, the service persists the chunks a second later.
      this.#delivery.flush(this.#buffer.nextNumber);
      this.#sendNext();
    }
    await this.#buffer.waitForRoom(sizeBytes);
  }

  async #finish() {
    if (!this.isFinished) this.setState('finishing');
    try {
      await this.#source?.stop();
    } catch (error) {
      this.emitError(asSessionError(error, 'source_failed'));
    }
    await this.#lastAccepted;
    this.#delivery.endInput();
    this.#sendNext();
    return await this.#result.promise;
  }

  // --- the connection

  #createSocket({ url, userId, token = null, refreshToken, answerTimeoutMs }) {
    const isResuming = () => this.#delivery.offset !== null;
    const options = {
      getUrl: () => socketUrl(url, this.sessionId, isResuming(), { userId, ...this.#parameters }),
      token,
      refreshToken: refreshToken && (() => refreshToken(this.sessionId)),
      answerTimeoutMs,
    };
    return new ReconnectingSocket(options, {
      onMessage: (message) => this.#receive(message),
      onDisconnect: () => this.#handleDisconnect(),
      onFailed: (error, isReported) => this.#handleFailure(error, isReported),
      onError: (error) => this.emitError(error),
      hasUnpersisted: () => this.#delivery.hasUnpersisted,
    });
  }

  #receive(message) {
    this.#updateWarnings(message);
    if (message.status === 'completed') this.#complete(message);
    else if (message.type === 'session') this.#receiveGreeting(message);
    else {
      if (message.type === 'error') this.emitError(errorFromMessage(message));
      if (this.#isGreeted) this.#updateCounts(message);
      this.#sendNext();
    }
  }

  #updateWarnings({ warnings, warning_count: warningCount }) {
    if (!warnings || warningCount === this.#warningCount) return;
    this.#warningCount = warningCount;
    this.warnings = warnings;
    this.emit('warnings', { warnings, warningCount });
  }

  async #receiveGreeting(greeting) {
    const { connection } = this.#socket;
    this.sessionId = greeting.session_id;
    try {
      checkParameters(this.#parameters, greeting);
      this.#delivery.beginConnection(greeting, this.#isRestored);
    } catch (error) {
      this.#fail(error);
      return;
    }
    // Store the session id before sending chunks, so that a later page resumes the same session.
    const { offset } = this.#delivery;
    await this.#chunkStore.updateStoredSession({ sessionId: this.sessionId, offset });
    if (connection !== this.#socket.connection) return;
    this.#isGreeted = true;
    this.#firstGreeting.resolve(greeting);
    if (this.state !== 'finishing') this.setState('live');
    this.#updateCounts(greeting);
    this.#sendNext();
  }

  #updateCounts(message) {
    const grown = this.#delivery.updateCounts(message);
    this.#durationSeconds = Math.max(this.#durationSeconds, message.duration_seconds);
    const { acked } = this.#delivery;
    const { firstNumber: persisted } = this.#buffer;
    const durationSeconds = this.#durationSeconds;
    if (grown.includes('ack')) this.emit('ack', { chunkCount: acked, durationSeconds });
    if (!grown.includes('persisted')) return;
    this.#chunkStore.deletePersisted();
    this.emit('persisted', { chunkCount: persisted, durationSeconds });
  }

  #sendNext() {
    if (this.#isGreeted) this.#delivery.sendNext(this.#socket.connection);
  }

  #handleDisconnect() {
    this.#isGreeted = false;
    if (this.state !== 'finishing') this.setState('reconnecting');
  }

  #handleFailure(error, isReported) {
    // The answer to close_session was lost, or the service completed an idle session.
    if (error.code === 'session_completed' && this.#delivery.isAllPersisted) {
      this.#complete(this.#delivery.finalMessage(this.sessionId, this.#durationSeconds));
    } else {
      this.#fail(error, isReported);
    }
  }

  async #complete(final) {
    this.#socket.close();
    if (final.chunk_count - this.#delivery.offset < this.#buffer.nextNumber) {
      const text = 'the session was closed before all chunks were sent';
      this.#fail(new SessionError('session_completed', text, final));
      return;
    }
    await this.#chunkStore.delete();
    this.#end('completed', null, final);
  }

  #fail(error, isReported = false) {
    if (!isReported) this.emitError(error);
    this.#end('failed', error);
  }

  #end(state, error, final) {
    if (this.isFinished) return;
    this.#isGreeted = false;
    this.#socket.close();
    this.#chunkStore.close(error ?? endedError());
    if (this.#stopResult === null) cancelSource(this.#source, (problem) => this.emitError(problem));
    if (error) this.#result.reject(error);
    else this.#result.resolve(final);
    this.setState(state);
  }
}

function endedError() {
  return new SessionError('ended', 'the session has ended and takes no more chunks');
}

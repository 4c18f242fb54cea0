/** @import {
  AudioInput, Chunk, FinalMessage, Parameters, SessionOptions, SessionWarning, Sink, Source,
  Verification
} from '../sercuescribe.js' */
/** @import { ChunkBytes, Counts, Greeting, ServerMessage } from './types.js' */

import { copyBytes, splitChunk } from './chunk-bytes.js';
import { ChunkStore } from './chunk-store.js';
import { Deferred } from './deferred.js';
import { Delivery } from './delivery.js';
import { asSessionError, errorFromMessage, SessionError } from './errors.js';
import { checkParameters, sessionsUrl, socketUrl } from './parameters.js';
import { ReconnectingSocket } from './reconnecting-socket.js';
import { cancelSource, toSource } from './sources.js';
import { StatefulEventTarget } from './stateful-event-target.js';
import { StoredSession } from './stored-session.js';
import { canHash, compare, SentInput, unknown } from './verification.js';

const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;
const MAX_UNACKED_CHUNKS = 64;
const ANSWER_TIMEOUT_MS = 20_000;

/** Record one session; reconnect when a connection is lost. */
export class SessionClient extends StatefulEventTarget {
  /** @type {string | null} */
  sessionId;
  /** @type {SessionWarning[]} What could not be recorded, as far as the service has told it. */
  warnings = [];
  /** Whether the session is paused, also by another client, as far as the service has told it. */
  isPaused = false;
  #warningCount = 0;
  #sentAtPauseChange = 0; // the chunks that were sent when this client paused or resumed
  #options;
  /** @type {Parameters} */
  #parameters; // of the recording
  /** @type {Source | null} */
  #source = null;
  #sentInput = new SentInput();
  #chunkStore;
  #buffer; // of the chunk store
  #delivery;
  #socket;
  #isRestored = false;
  #canContinue = false; // restored, and neither started nor stopped
  #isGreeted = false; // on this connection
  /** @type {Deferred<Greeting>} */
  #firstGreeting = new Deferred();
  /** @type {Promise<unknown>} */
  #lastAccepted = Promise.resolve(); // settles when all chunks so far are in the chunk store
  #durationSeconds = 0;
  /** @type {Promise<FinalMessage> | null} */
  #stopResult = null; // the promise of the first call of `stop`
  /** @type {Deferred<FinalMessage>} */
  #result = new Deferred();

  /** @param {SessionOptions} options */
  constructor(options) {
    super();
    this.#options = { ...options };
    const { sessionId = null, sampleRate, channels, format } = options;
    const { maxBufferedBytes = MAX_BUFFERED_BYTES, maxUnackedChunks = MAX_UNACKED_CHUNKS } = options;
    this.sessionId = sessionId;
    this.#parameters = { sampleRate, channels, format };
    this.#chunkStore = new ChunkStore(maxBufferedBytes, (error) => this.emitError(error));
    this.#buffer = this.#chunkStore.buffer;
    this.#delivery = new Delivery(this.#buffer, maxUnackedChunks);
    this.#socket = this.#createSocket(options);
    this.#abandonOnAbort(options.signal);
  }

  /** Return the unfinished sessions that pages of this origin have stored. */
  static async unfinished() {
    return await StoredSession.listUnclaimed();
  }

  /**
   * Send the rest of an unfinished session and close it; return the final message.
   *
   * @param {string} id
   * @param {Partial<SessionOptions>} options
   */
  static async resume(id, options = {}) {
    return await (await SessionClient.restore(id, options)).stop();
  }

  /**
   * Return a client that sends the rest of an unfinished session: `start` continues the session,
   * `stop` finishes it.
   *
   * @param {string} id
   * @param {Partial<SessionOptions>} options
   */
  static async restore(id, options = {}) {
    const storedSession = await StoredSession.claim(id);
    if (!storedSession) {
      throw new SessionError('not_unfinished', 'it does not exist, or another page records it');
    }
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    const client = new SessionClient({ ...storedSession.fields, ...Object.fromEntries(given) });
    await client.#restore(storedSession);
    return client;
  }

  /**
   * Delete an unfinished session with its unsent chunks from the browser.
   *
   * @param {string} id
   */
  static async discard(id) {
    await (await StoredSession.claim(id))?.delete();
  }

  /** Bytes of the chunks that are not persisted. */
  get bufferedBytes() {
    return this.#buffer.bytes;
  }

  /**
   * Start recording, or continue a session that was restored. Settles when the source has started;
   * without a source, call `send`.
   *
   * @param {AudioInput | null} source
   */
  async start(source = null) {
    if (this.isFinished) throw endedError(); // its signal was aborted before
    const isNew = this.state === null;
    if (!isNew && !this.#canContinue) throw new SessionError('already_started');
    this.#canContinue = false;
    try {
      const opened = source && toSource(source);
      if (isNew) await this.#begin();
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
    // A page that ends now leaves nothing behind that the service has.
    await this.#chunkStore.deletePersisted();
  }

  /** Let the service record no chunk that is sent from then on, until `resume`. */
  async pause() {
    await this.#changePause('/pause');
  }

  /** Let the service record the chunks that are sent from then on. */
  async resume() {
    await this.#changePause('/resume');
  }

  /**
   * Add a mark to the timeline, behind the chunks sent so far.
   *
   * @param {string} label
   */
  async mark(label) {
    await this.flush();
    await this.#request('/marks', 'POST', JSON.stringify({ label }));
  }

  /**
   * Deliver all chunks and close the session; return the final message.
   *
   * @returns {Promise<FinalMessage>}
   */
  stop() {
    this.#canContinue = false;
    this.#stopResult ??= this.#finish();
    return this.#stopResult;
  }

  /** Whether a connection has been greeted: the service can receive chunks. */
  get isConnected() {
    return this.#isGreeted;
  }

  /** Without a connection, try to connect now instead of after the delay. */
  retryNow() {
    this.#socket.retryNow();
  }

  /**
   * Disconnect at once and drop the unsent chunks, also those of a client that has failed. The
   * service completes the idle session.
   */
  abandon() {
    if (this.state === 'completed') return;
    this.#chunkStore.delete();
    this.#end('failed', new SessionError('abandoned'));
  }

  /** @param {AbortSignal | undefined} signal */
  #abandonOnAbort(signal) {
    if (!signal) return;
    const onAbort = () => this.abandon();
    // A signal may outlive many clients, so it must not keep them.
    this.addEventListener('state', () => {
      if (this.isFinished) signal.removeEventListener('abort', onAbort);
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  }

  // --- pauses

  /** @param {string} path */
  async #changePause(path) {
    await this.flush();
    const { paused } = await this.#request(path, 'POST');
    this.#sentAtPauseChange = this.#delivery.sent;
    this.#setPaused(paused);
  }

  /** @param {ServerMessage} message */
  #updatePaused(message) {
    if (message.type === 'session') this.#setPaused(message.paused);
    // The acknowledgement of an earlier chunk may arrive after the answer to the request.
    if (message.type === 'chunk' && this.#delivery.acked > this.#sentAtPauseChange) {
      this.#setPaused(message.paused === true);
    }
  }

  /** @param {boolean} isPaused */
  #setPaused(isPaused) {
    if (this.isPaused === isPaused) return;
    this.isPaused = isPaused;
    this.emit('paused', { isPaused });
  }

  // --- chunks and their source

  async #begin() {
    this.setState('connecting');
    const { sessionId = null, url, userId, title, metadata, store } = this.#options;
    const fields = { url, userId, title, metadata, sessionId, offset: null };
    if (store === 'indexeddb') await this.#chunkStore.createStoredSession(fields);
  }

  /** @param {StoredSession} storedSession */
  async #restore(storedSession) {
    this.#isRestored = this.#canContinue = true;
    this.#delivery.offset = storedSession.fields.offset;
    await this.#chunkStore.restore(storedSession);
    this.setState('connecting');
    this.#socket.start();
  }

  /** @param {Source | null} source */
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
    if (greeting.type !== 'session') return; // another client closed the session
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

  /** @param {ChunkBytes} bytes */
  async #acceptChunk(bytes) {
    const stored = [];
    for (const chunk of splitChunk(bytes)) {
      await this.#waitForRoom(chunk.byteLength);
      if (this.isFinished || this.#delivery.isInputEnded) throw endedError();
      this.#sentInput.add(chunk);
      stored.push(this.#chunkStore.add(chunk));
      this.#sendNext();
    }
    return stored;
  }

  /** @param {number} sizeBytes */
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

  /** @param {SessionOptions} options */
  #createSocket({ url, userId, title, metadata, token = null, refreshToken, ...given }) {
    const isResuming = () => this.#delivery.offset !== null;
    const getParameters = () => ({ userId, title, metadata, ...this.#parameters });
    const options = {
      getUrl: () => socketUrl(url, this.sessionId, isResuming(), getParameters()),
      token,
      refreshToken: refreshToken && (() => refreshToken(this.sessionId)),
      answerTimeoutMs: given.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
      maxAttempts: given.maxAttempts ?? Infinity,
      WebSocket: given.WebSocket,
    };
    return new ReconnectingSocket(options, {
      onMessage: (message) => this.#receive(message),
      onDisconnect: () => this.#handleDisconnect(),
      onFailed: (error, isReported) => this.#handleFailure(error, isReported),
      onError: (error) => this.emitError(error),
      hasUnpersisted: () => this.#delivery.hasUnpersisted,
    });
  }

  /** @param {ServerMessage} message */
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

  /** @param {ServerMessage} message */
  #updateWarnings({ warnings, warning_count: warningCount }) {
    if (!warnings || warningCount === undefined || warningCount === this.#warningCount) return;
    this.#warningCount = warningCount;
    this.warnings = warnings;
    this.emit('warnings', { warnings, warningCount });
  }

  /** @param {Greeting} greeting */
  async #receiveGreeting(greeting) {
    const { connection } = this.#socket;
    this.sessionId = greeting.session_id;
    try {
      checkParameters(this.#parameters, greeting);
      this.#delivery.beginConnection(greeting, this.#isRestored);
    } catch (error) {
      this.#fail(asSessionError(error, 'refused'));
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

  /** @param {Exclude<ServerMessage, FinalMessage>} message */
  #updateCounts(message) {
    const grown = this.#delivery.updateCounts(message);
    this.#updatePaused(message);
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
    const { connection } = this.#socket;
    if (connection && this.#isGreeted) this.#delivery.sendNext(connection);
  }

  #handleDisconnect() {
    this.#isGreeted = false;
    if (this.state !== 'finishing') this.setState('reconnecting');
  }

  /**
   * @param {SessionError} error
   * @param {boolean} isReported
   */
  #handleFailure(error, isReported) {
    // The answer to close_session was lost, or the service completed an idle session.
    const final = this.#delivery.finalMessage(this.sessionId, this.#durationSeconds);
    if (error.code === 'session_completed' && final) this.#complete(final);
    else this.#fail(error, isReported);
  }

  /** @param {FinalMessage} final */
  async #complete(final) {
    this.#socket.close();
    if (!this.#delivery.isComplete(final.chunk_count)) {
      const text = 'the session was closed before all chunks were sent';
      this.#fail(new SessionError('session_completed', text, final));
      return;
    }
    await this.#chunkStore.delete();
    this.#result.resolve({ ...final, verification: await this.#compareWithReceipt(final) });
    this.#end('completed');
  }

  /**
   * @param {FinalMessage} final
   * @returns {Promise<Verification>}
   */
  async #compareWithReceipt(final) {
    if (!canHash()) return unknown('only pages with TLS can hash');
    if (this.#isRestored || this.#delivery.offset !== 0) {
      return unknown('another page or client has sent to the session');
    }
    try {
      const { receipt } = await this.#request('');
      const found = await compare(this.#sentInput, receipt, final.receipt_digest);
      if (found.result !== 'differs') return found;
      const { pauses } = await this.#request('/timeline');
      return pauses.length ? unknown('the session was paused') : found;
    } catch (error) {
      return unknown(`the receipt could not be fetched: ${error}`);
    }
  }

  /**
   * Call an endpoint of the session; return the body of the answer.
   *
   * @param {string} path
   * @param {string | null} body
   */
  async #request(path, method = 'GET', body = /** @type {string | null} */ (null)) {
    const { token } = this.#socket;
    /** @type {Record<string, string>} */
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    if (body !== null) headers['Content-Type'] = 'application/json';
    const signal = AbortSignal.timeout(this.#options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS);
    const url = sessionsUrl(this.#options.url, `/${this.sessionId ?? ''}${path}`);
    const answer = await fetch(url, { method, headers, body, signal });
    const fields = await answer.json();
    if (!answer.ok) throw new SessionError(fields.code, fields.error);
    return fields;
  }

  /** @param {SessionError} error */
  #fail(error, isReported = false) {
    if (!isReported) this.emitError(error);
    this.#end('failed', error);
  }

  /**
   * @param {'completed' | 'failed'} state
   * @param {SessionError | null} error
   */
  #end(state, error = null) {
    if (this.isFinished) return;
    this.#isGreeted = false;
    this.#socket.close();
    this.#chunkStore.close(error ?? endedError());
    if (this.#stopResult === null) cancelSource(this.#source, (problem) => this.emitError(problem));
    if (error) this.#result.reject(error);
    this.setState(state);
  }
}

function endedError() {
  return new SessionError('ended', 'the session has ended and takes no more chunks');
}

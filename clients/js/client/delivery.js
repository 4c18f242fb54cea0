/** @import { FinalMessage } from '../sercuescribe.js' */
/** @import { Connection } from './connection.js' */
/** @import { ReplayBuffer } from './replay-buffer.js' */
/** @import { Counts } from './types.js' */

import { SessionError } from './errors.js';

const MAX_SOCKET_BUFFER_BYTES = 1024 * 1024; // of the browser's own send buffer

/**
 * The counts of a session's chunks, and the decision what to send next. Does no I/O.
 *
 * This client numbers its chunks from 0. `buffer.firstNumber` is the number of persisted chunks,
 * `acked` the number that the service has, `sent` the number sent on this connection.
 */
export class Delivery {
  /** @type {number | null} */
  offset = null; // the session's chunk_count when this client first connected
  sent = 0;
  acked = 0;
  isInputEnded = false; // no more chunks follow
  #buffer;
  #maxUnacked;
  #flushTarget = 0;
  #flushSent = 0;
  #isCloseSent = false; // on this connection

  /**
   * @param {ReplayBuffer} buffer
   * @param {number} maxUnacked
   */
  constructor(buffer, maxUnacked) {
    this.#buffer = buffer;
    this.#maxUnacked = maxUnacked;
  }

  /**
   * Begin a connection at the chunk that the greeting names. Throw if that chunk is impossible.
   *
   * @param {Counts} greeting
   * @param {boolean} isRestored whether an earlier page has begun the session
   */
  beginConnection({ chunk_count: count }, isRestored) {
    this.offset ??= count;
    const received = this.#ownCount(count);
    if (received < this.#buffer.firstNumber) {
      throw new SessionError('chunks_lost', 'the service lost persisted chunks');
    }
    if (received > this.#buffer.nextNumber) {
      if (!isRestored) {
        throw new SessionError('session_shared', 'another client sends to this session');
      }
      // The page ended before its last chunks were stored. The service has them.
      this.#buffer.release(received);
    }
    this.sent = this.acked = received;
    this.#flushSent = 0;
    this.#isCloseSent = false;
  }

  /**
   * Take the counts of a message; return the names of the counts that have grown.
   *
   * @param {Counts} message
   */
  updateCounts({ chunk_count: chunkCount, persisted_chunk_count: persistedCount }) {
    /** @type {('ack' | 'persisted')[]} */
    const grown = [];
    const received = this.#ownCount(chunkCount);
    const persisted = Math.min(this.#ownCount(persistedCount), this.#buffer.nextNumber);
    if (received > this.acked) {
      this.acked = received;
      grown.push('ack');
    }
    if (persisted > this.#buffer.firstNumber) {
      this.#buffer.release(persisted);
      grown.push('persisted');
    }
    return grown;
  }

  /**
   * Request that the service persists all chunks before `number` after they are sent.
   *
   * @param {number} number
   */
  flush(number) {
    this.#flushTarget = Math.max(this.#flushTarget, number);
  }

  /** Note that no more chunks follow. */
  endInput() {
    this.isInputEnded = true;
    this.flush(this.#buffer.nextNumber);
  }

  /**
   * Whether the service has every chunk, if the session's count is `count`.
   *
   * @param {number} count
   */
  isComplete(count) {
    return this.#ownCount(count) >= this.#buffer.nextNumber;
  }

  /** Whether a sent chunk is not persisted yet. */
  get hasUnpersisted() {
    return this.#buffer.firstNumber < this.sent;
  }

  /** Whether every chunk of the session is persisted, so that only `close_session` is missing. */
  get isAllPersisted() {
    return this.isInputEnded && this.#buffer.firstNumber >= this.#buffer.nextNumber;
  }

  /**
   * The final message of a completed session whose own final message was lost. Null if a chunk is
   * not persisted, or if this client has never connected and cannot know the count.
   *
   * @param {string | null} sessionId
   * @param {number} durationSeconds
   * @returns {FinalMessage | null}
   */
  finalMessage(sessionId, durationSeconds) {
    if (sessionId === null || this.offset === null || !this.isAllPersisted) return null;
    const count = this.offset + this.#buffer.nextNumber;
    return {
      type: 'control',
      action: 'close_session',
      message: 'Session closed',
      session_id: sessionId,
      chunk_count: count,
      status: 'completed',
      persisted_chunk_count: count,
      duration_seconds: durationSeconds,
    };
  }

  /**
   * Send the next chunks and controls, as far as the connection allows.
   *
   * @param {Connection} connection
   */
  sendNext(connection) {
    while (this.sent < this.#buffer.nextNumber && this.#canSend(connection)) {
      connection.send(this.#buffer.at(this.sent++));
    }
    if (this.sent < this.#flushTarget) return;
    if (this.#buffer.firstNumber < this.#flushTarget) {
      if (this.#flushSent < this.#flushTarget) connection.sendControl('flush');
      this.#flushSent = this.#flushTarget;
    } else if (this.isAllPersisted && !this.#isCloseSent) {
      this.#isCloseSent = true;
      connection.sendControl('close_session');
    }
  }

  /**
   * Return a count of the session without the chunks of earlier clients.
   *
   * @param {number} count
   */
  #ownCount(count) {
    return count - (this.offset ?? 0);
  }

  /**
   * Every sent chunk is answered, and each answer calls `sendNext` again.
   *
   * @param {Connection} connection
   */
  #canSend({ bufferedAmount }) {
    return this.sent - this.acked < this.#maxUnacked && bufferedAmount < MAX_SOCKET_BUFFER_BYTES;
  }
}

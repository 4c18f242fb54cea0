import { SessionError } from './errors.js';

const SOCKET_BYTES = 1024 * 1024; // as many may wait in the browser's own buffer

/**
 * What has been delivered, and what is to be sent next. Does no I/O.
 *
 * Chunks are numbered from 0 on by this client. `buffer.first` is how many are persisted, `acked`
 * how many the service has, `sent` how many this connection was given.
 */
export class Delivery {
  offset = null; // what the session's chunk_count was when this client came to it
  sent = 0;
  acked = 0;
  isEnded = false; // no chunk comes any more
  #buffer;
  #maxUnacked;
  #flushWanted = 0;
  #flushAsked = 0;
  #isCloseAsked = false; // on this connection

  constructor(buffer, maxUnacked) {
    this.#buffer = buffer;
    this.#maxUnacked = maxUnacked;
  }

  /** Begin a connection where the service says. Throws where that cannot be. */
  greet({ chunk_count: count }, isRestored) {
    this.offset ??= count;
    const received = count - this.offset;
    if (received < this.#buffer.first) {
      throw new SessionError('chunks_lost', 'the service no longer has what it had persisted');
    }
    if (received > this.#buffer.next) {
      if (!isRestored) throw new SessionError('not_alone', 'somebody else sends to this session');
      // The page ended before its last chunks were in its store. The service has them.
      this.#buffer.release(received);
    }
    this.sent = this.acked = received;
    this.#flushAsked = 0;
    this.#isCloseAsked = false;
  }

  /** Take the counts of a message; gives the names of those that have grown. */
  count(message) {
    const grown = [];
    const received = message.chunk_count - this.offset;
    const persisted = Math.min(message.persisted_chunk_count - this.offset, this.#buffer.next);
    if (received > this.acked) {
      this.acked = received;
      grown.push('ack');
    }
    if (persisted > this.#buffer.first) {
      this.#buffer.release(persisted);
      grown.push('persisted');
    }
    return grown;
  }

  /** Have the service persist all chunks before `number`, once they are sent. */
  flush(number) {
    this.#flushWanted = Math.max(this.#flushWanted, number);
  }

  /** No chunk comes any more. */
  end() {
    this.isEnded = true;
    this.flush(this.#buffer.next);
  }

  /** Whether something that was sent is not persisted yet. */
  get isWaiting() {
    return this.#buffer.first < this.sent;
  }

  /** Whether all that will ever come is persisted: nothing but the goodbye is missing. */
  get isDelivered() {
    return this.isEnded && this.#buffer.first >= this.#buffer.next;
  }

  /** What the service would say of a session whose last answer was lost. */
  lastMessage(sessionId, durationSeconds) {
    const count = this.offset + this.#buffer.next;
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

  /** Do whatever is next, as far as the connection allows. */
  advance(connection) {
    while (this.sent < this.#buffer.next && this.#maySend(connection)) {
      connection.send(this.#buffer.at(this.sent++));
    }
    if (this.sent < this.#flushWanted) return;
    if (this.#buffer.first < this.#flushWanted) {
      if (this.#flushAsked < this.#flushWanted) connection.control('flush');
      this.#flushAsked = this.#flushWanted;
    } else if (this.isDelivered && !this.#isCloseAsked) {
      this.#isCloseAsked = true;
      connection.control('close_session');
    }
  }

  /** Every chunk on its way is answered, and each answer leads back to `advance`. */
  #maySend(connection) {
    return this.sent - this.acked < this.#maxUnacked && connection.bufferedAmount < SOCKET_BYTES;
  }
}

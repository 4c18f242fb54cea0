/** @import {
  AudioPart, CallOptions, LinkOptions, ServiceOptions, SessionChanges, SessionFilter, SessionInfo,
  SharedLink, Timeline
} from '../sercuescribe.js' */

import { asSessionError, SessionError } from './errors.js';
import { sessionsUrl, setQuery } from './parameters.js';

/** The sessions of a service: list, change, close, share, delete and download them. */
export class ServiceClient {
  #url;
  #token;

  /** @param {ServiceOptions} options */
  constructor({ url, token = null }) {
    this.#url = url;
    this.#token = token;
  }

  /**
   * Yield the sessions that match, newest first; fetch them in pages.
   *
   * @param {SessionFilter} filter
   * @returns {AsyncGenerator<SessionInfo, void, undefined>}
   */
  async *list({ metadata, signal, ...filter } = {}) {
    const { status, text: q, userId: user_id, hasWarnings: has_warnings, oldestFirst } = filter;
    const [from, to] = [filter.from, filter.to].map(toIso);
    const sort = oldestFirst ? 'oldest' : undefined;
    const given = { status, q, user_id, has_warnings, from, to, sort, limit: filter.pageSize };
    let cursor;
    do {
      const url = sessionsUrl(this.#url);
      setQuery(url, { ...given, cursor }, metadata);
      const page = await this.#callJson('GET', url, { signal });
      yield* page.sessions;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /**
   * @param {string} sessionId
   * @param {CallOptions} options
   * @returns {Promise<SessionInfo>}
   */
  async info(sessionId, { signal } = {}) {
    return await this.#callJson('GET', this.#sessionUrl(sessionId), { signal });
  }

  /**
   * Change the title, the metadata, and how long the session is kept, also while it records.
   *
   * @param {string} sessionId
   * @param {SessionChanges} changes
   * @returns {Promise<SessionInfo>}
   */
  async update(sessionId, { signal, expiresAt, ...changes }) {
    const body = JSON.stringify({ ...changes, expires_at: expiresAt });
    return await this.#callJson('PATCH', this.#sessionUrl(sessionId), { body, signal });
  }

  /**
   * Record none of the chunks that the service receives from now on, until `resume`.
   *
   * @param {string} sessionId
   * @param {CallOptions} options
   * @returns {Promise<SessionInfo>}
   */
  async pause(sessionId, { signal } = {}) {
    return await this.#callJson('POST', this.#sessionUrl(sessionId, '/pause'), { signal });
  }

  /**
   * End the pause of a session.
   *
   * @param {string} sessionId
   * @param {CallOptions} options
   * @returns {Promise<SessionInfo>}
   */
  async resume(sessionId, { signal } = {}) {
    return await this.#callJson('POST', this.#sessionUrl(sessionId, '/resume'), { signal });
  }

  /**
   * Add a mark to the timeline, at the last recorded frame.
   *
   * @param {string} sessionId
   * @param {string} label
   * @param {CallOptions} options
   * @returns {Promise<SessionInfo>}
   */
  async mark(sessionId, label, { signal } = {}) {
    const body = JSON.stringify({ label });
    return await this.#callJson('POST', this.#sessionUrl(sessionId, '/marks'), { body, signal });
  }

  /**
   * Return the connections, gaps, pauses and marks of a session.
   *
   * @param {string} sessionId
   * @param {CallOptions} options
   * @returns {Promise<Timeline>}
   */
  async timeline(sessionId, { signal } = {}) {
    return await this.#callJson('GET', this.#sessionUrl(sessionId, '/timeline'), { signal });
  }

  /**
   * Make a link that plays a completed recording, or a part, without an account.
   *
   * @param {string} sessionId
   * @param {LinkOptions} options
   * @returns {Promise<SharedLink & { url: string }>}
   */
  async share(sessionId, { signal, lifetimeSeconds, ...part } = {}) {
    const body = JSON.stringify({ ...part, expires_in_seconds: lifetimeSeconds });
    return await this.#callJson('POST', this.#sessionUrl(sessionId, '/links'), { body, signal });
  }

  /**
   * Return the links of a session, the oldest first; also those that have ended.
   *
   * @param {string} sessionId
   * @param {CallOptions} options
   * @returns {Promise<SharedLink[]>}
   */
  async links(sessionId, { signal } = {}) {
    return (await this.#callJson('GET', this.#sessionUrl(sessionId, '/links'), { signal })).links;
  }

  /**
   * Revoke a link at once.
   *
   * @param {string} sessionId
   * @param {string} linkId
   * @param {CallOptions} options
   */
  async unshare(sessionId, linkId, { signal } = {}) {
    const path = `/links/${encodeURIComponent(linkId)}`;
    await this.#callJson('DELETE', this.#sessionUrl(sessionId, path), { signal });
  }

  /**
   * Complete a session, even if another client sends to it.
   *
   * @param {string} sessionId
   * @param {CallOptions} options
   * @returns {Promise<SessionInfo>}
   */
  async close(sessionId, { signal } = {}) {
    const url = this.#sessionUrl(sessionId, '/close');
    return (await this.#callJson('POST', url, { signal })).session;
  }

  /**
   * Delete a session with its audio.
   *
   * @param {string} sessionId
   * @param {CallOptions} options
   */
  async delete(sessionId, { signal } = {}) {
    await this.#callJson('DELETE', this.#sessionUrl(sessionId), { signal });
  }

  /**
   * Return the answer whose body is the WAV, or the part of it, in the format.
   *
   * @param {string} sessionId
   * @param {AudioPart & CallOptions} part
   */
  async audio(sessionId, { signal, ...part } = {}) {
    const url = this.#sessionUrl(sessionId, '/audio');
    setQuery(url, { ...part });
    return await this.#call('GET', url, { signal });
  }

  /**
   * @param {string} sessionId
   * @param {string} path
   */
  #sessionUrl(sessionId, path = '') {
    return sessionsUrl(this.#url, `/${encodeURIComponent(sessionId)}${path}`);
  }

  /**
   * @param {string} method
   * @param {URL} url
   * @param {RequestInit} options
   */
  async #callJson(method, url, options) {
    return await (await this.#call(method, url, options)).json();
  }

  /**
   * @param {string} method
   * @param {URL} url
   * @param {RequestInit} options
   */
  async #call(method, url, options) {
    const headers = new Headers(options.body ? { 'Content-Type': 'application/json' } : {});
    if (this.#token) headers.set('Authorization', `Bearer ${this.#token}`);
    let answer;
    try {
      answer = await fetch(url, { ...options, method, headers });
    } catch (error) {
      throw asSessionError(error, options.signal?.aborted ? 'aborted' : 'unreachable');
    }
    if (answer.ok) return answer;
    throw await errorOf(answer);
  }
}

/** @param {Response} answer */
async function errorOf(answer) {
  const text = await answer.text();
  try {
    const body = JSON.parse(text);
    return new SessionError(body.code, body.error, body);
  } catch {
    return new SessionError(`http_${answer.status}`, `HTTP status ${answer.status}`, text);
  }
}

/** @param {Date | string | undefined} time */
function toIso(time) {
  return time instanceof Date ? time.toISOString() : time;
}

/** @import {
  AudioPart, CallOptions, ServiceOptions, SessionChanges, SessionFilter, SessionInfo
} from '../sercuescribe.js' */

import { asSessionError, SessionError } from './errors.js';
import { sessionsUrl, setQuery } from './parameters.js';

/** The stored sessions of a service: list, change, close, delete and download them. */
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
   * Change the title and the metadata, also while the session records.
   *
   * @param {string} sessionId
   * @param {SessionChanges} changes
   * @returns {Promise<SessionInfo>}
   */
  async update(sessionId, { signal, ...changes }) {
    const body = JSON.stringify(changes);
    return await this.#callJson('PATCH', this.#sessionUrl(sessionId), { body, signal });
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

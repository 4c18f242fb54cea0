/** @import {
  ErrorBody, Identity, NodeStatus, Session, SessionPage, SessionToken, SharedLink, Timeline,
  Waveform
} from './types.js' */

import { fill } from './localize.js';
import { SessionKey } from './session-key.js';
import { texts } from './texts.js';

/** The URL of the service that served this module. */
export const SERVICE_URL = new URL('..', import.meta.url);

const SESSIONS = 'api/audio/sessions';
const MIN_TOKEN_LIFETIME_MS = 60_000; // a token that expires sooner is replaced
const REQUEST_TIMEOUT_MS = 15_000;
const DECLINED_PROMPT_INTERVAL_MS = 30_000; // no prompt for this time after the user cancelled one

/** An error response of the service. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 if there was no response
   * @param {ErrorBody} body
   */
  constructor(status, { error = fill(texts.errors.status, { status }), code = null } = {}) {
    super(error);
    this.status = status;
    this.code = code;
  }
}

/**
 * Send requests to the service with one key.
 *
 * It dispatches `key` when the key has changed, in this tab or in another one.
 */
export class ApiClient extends EventTarget {
  #promptForKey;
  /** @type {Promise<string> | null} */
  #keyPrompt = null;
  /** @type {AbortController | null} */
  #shownPrompt = null;
  #declinedAt = -Infinity;
  #key = new SessionKey();
  /** @type {Map<string, SessionToken>} */
  #tokens = new Map(); // by session id

  /** @param {(text: string, signal: AbortSignal) => Promise<string | null>} promptForKey */
  constructor(promptForKey) {
    super();
    this.#promptForKey = promptForKey;
    this.#key.addEventListener('change', () => {
      this.#shownPrompt?.abort();
      this.#handleKeyChange();
    });
  }

  get hasKey() {
    return this.#key.value !== null;
  }

  /** The options of a `SessionClient` with the same key. */
  get credentials() {
    return {
      token: this.#key.value,
      refreshToken: this.hasKey ? () => this.renewKey() : undefined,
    };
  }

  /** Ask the user for another key and return it, unless the user has just cancelled. */
  async renewKey() {
    const sinceDeclinedMs = performance.now() - this.#declinedAt;
    if (sinceDeclinedMs < DECLINED_PROMPT_INTERVAL_MS) throw authenticationRequiredError();
    return await this.signIn();
  }

  /** Ask the user for a key and return it. Concurrent callers share one prompt. */
  async signIn() {
    this.#keyPrompt ??= this.#requestKey().finally(() => (this.#keyPrompt = null));
    return await this.#keyPrompt;
  }

  /** Remove the key from all tabs. */
  signOut() {
    this.#key.clear();
    this.#handleKeyChange();
  }

  /**
   * Return the user and the scopes of the key.
   *
   * @returns {Promise<Identity>}
   */
  identity() {
    return this.#requestJson('api/identity');
  }

  /**
   * Return a page of sessions.
   *
   * @param {{ query: string, cursor?: string | null, limit: number }} page query: the filters and
   *   the order, as in a URL
   * @returns {Promise<SessionPage>}
   */
  list({ query, cursor = null, limit }) {
    const parameters = new URLSearchParams(query);
    parameters.set('limit', String(limit));
    if (cursor !== null) parameters.set('cursor', cursor);
    return this.#requestJson(`${SESSIONS}?${parameters}`);
  }

  /**
   * Return the state of the node that answers. The key must have the scope `admin`.
   *
   * @returns {Promise<NodeStatus>}
   */
  status() {
    return this.#requestJson('api/status');
  }

  /**
   * @param {string} id
   * @returns {Promise<Session>}
   */
  info(id) {
    return this.#requestJson(`${SESSIONS}/${id}`);
  }

  /**
   * @param {string} id
   * @param {string} title '' for none
   * @returns {Promise<Session>}
   */
  rename(id, title) {
    const body = JSON.stringify({ title });
    return this.#requestJson(`${SESSIONS}/${id}`, { method: 'PATCH', body });
  }

  /**
   * @param {string} id
   * @returns {Promise<{ session: Session }>}
   */
  close(id) {
    return this.#requestJson(`${SESSIONS}/${id}/close`, { method: 'POST' });
  }

  /** @param {string} id */
  async delete(id) {
    await this.#requestJson(`${SESSIONS}/${id}`, { method: 'DELETE' });
    this.#tokens.delete(id);
  }

  /**
   * Return the lowest and highest samples of at most `width` pixels of a range in seconds.
   *
   * @param {string} id
   * @param {{ width: number, start: number, end: number }} range
   * @returns {Promise<Waveform>}
   */
  waveform(id, { width, start, end }) {
    const range = { width: String(width), start: String(start), end: String(end) };
    return this.#requestJson(`${SESSIONS}/${id}/waveform?${new URLSearchParams(range)}`);
  }

  /**
   * @param {string} id
   * @returns {Promise<Timeline>}
   */
  timeline(id) {
    return this.#requestJson(`${SESSIONS}/${id}/timeline`);
  }

  /**
   * Return the shared links of a session, the oldest first, also those that have ended.
   *
   * @param {string} id
   * @returns {Promise<{ links: SharedLink[] }>}
   */
  sharedLinks(id) {
    return this.#requestJson(`${SESSIONS}/${id}/links`);
  }

  /**
   * Make a shared link. Its address cannot be read again.
   *
   * @param {string} id
   * @param {Record<string, number | string>} parameters as the service takes them
   * @returns {Promise<SharedLink & { url: string }>}
   */
  share(id, parameters) {
    const body = JSON.stringify(parameters);
    return this.#requestJson(`${SESSIONS}/${id}/links`, { method: 'POST', body });
  }

  /**
   * @param {string} id
   * @param {string} linkId
   */
  async revokeLink(id, linkId) {
    await this.#requestJson(`${SESSIONS}/${id}/links/${linkId}`, { method: 'DELETE' });
  }

  /**
   * Return a URL of the completed file. With a bucket, it is a presigned URL of the store.
   *
   * @param {string} id
   * @returns {Promise<{ url: string }>}
   */
  downloadLink(id) {
    return this.#requestJson(`${SESSIONS}/${id}/download`);
  }

  /**
   * Return a URL of the audio with a token, for elements and links, which send no headers.
   *
   * @param {string} id
   * @param {Record<string, string>} query
   */
  async audioUrl(id, query) {
    const url = new URL(`${SESSIONS}/${id}/audio?${new URLSearchParams(query)}`, SERVICE_URL);
    const token = await this.#getReadToken(id);
    if (token) url.searchParams.set('token', token);
    return url.href;
  }

  /**
   * Forget the session's read token, so that the next request gets another one.
   *
   * @param {string} id
   */
  forgetToken(id) {
    this.#tokens.delete(id);
  }

  /**
   * Open a WebSocket that sends the session's PCM from a frame on, or from `now`.
   *
   * @param {string} id
   * @param {number | 'now'} from
   */
  async listen(id, from) {
    const url = new URL(`api/ws/audio/${id}/listen?from=${from}`, SERVICE_URL);
    url.protocol = url.protocol.replace('http', 'ws');
    const token = await this.#getReadToken(id);
    return new WebSocket(url, token ? ['bearer', token] : []);
  }

  #handleKeyChange() {
    // After a sign-out, the user asks for the prompt.
    this.#declinedAt = this.hasKey ? -Infinity : performance.now();
    this.#tokens.clear();
    this.dispatchEvent(new Event('key'));
  }

  async #requestKey() {
    const refused = this.#key.value;
    const known = await this.#key.askOtherTabs(refused);
    if (known !== null) return known;
    this.#shownPrompt = new AbortController();
    const text = refused === null ? texts.account.required : texts.account.refused;
    const key = await this.#promptForKey(text, this.#shownPrompt.signal);
    this.#shownPrompt = null;
    if (key !== null) {
      this.#key.set(key);
      this.#handleKeyChange();
      return key;
    }
    const shared = this.#key.value; // another tab has signed in meanwhile
    if (shared !== null && shared !== refused) return shared;
    this.#declinedAt = performance.now();
    throw authenticationRequiredError();
  }

  /**
   * Return a token that may read one session; null without authentication.
   *
   * @param {string} id
   */
  async #getReadToken(id) {
    if (!this.hasKey) return null;
    const known = this.#tokens.get(id);
    const isFresh = known && Date.parse(known.expires_at) - Date.now() > MIN_TOKEN_LIFETIME_MS;
    if (isFresh) return known.token;
    const body = JSON.stringify({ scope: 'read' });
    /** @type {SessionToken} */
    const created = await this.#requestJson(`${SESSIONS}/${id}/tokens`, { method: 'POST', body });
    this.#tokens.set(id, created);
    return created.token;
  }

  /**
   * @template Body
   * @param {string} path
   * @param {{ method?: string, body?: string }} options
   * @returns {Promise<Body>} the body, as the endpoint promises it
   */
  async #requestJson(path, options = {}) {
    const usedKey = this.#key.value;
    const response = await this.#fetch(path, options);
    if (response.status === 401) {
      // Another request may have renewed the key meanwhile.
      if (this.#key.value === usedKey) await this.renewKey();
      return await this.#requestJson(path, options);
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new ApiError(response.status, body);
    return body;
  }

  /**
   * @param {string} path
   * @param {{ method?: string, body?: string }} options
   */
  async #fetch(path, { method = 'GET', body }) {
    const headers = new Headers();
    if (body) headers.set('Content-Type', 'application/json');
    if (this.hasKey) headers.set('Authorization', `Bearer ${this.#key.value}`);
    try {
      const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      return await fetch(new URL(path, SERVICE_URL), { method, body, headers, signal });
    } catch {
      throw new ApiError(0, { error: texts.errors.unreachable, code: 'unreachable' });
    }
  }
}

function authenticationRequiredError() {
  return new ApiError(401, {
    error: texts.account.needsKey,
    code: 'authentication_required',
  });
}

/** The URL of the service that served this module. */
export const SERVICE_URL = new URL('..', import.meta.url);

const SESSIONS = 'api/audio/sessions';
const KEY_STORAGE_NAME = 'sercuescribe key';
const MIN_TOKEN_LIFETIME_MS = 60_000; // a token that expires sooner is replaced
const REQUEST_TIMEOUT_MS = 15_000;
const DECLINED_PROMPT_INTERVAL_MS = 30_000; // no prompt for this time after the user cancelled one

/** An error response of the service. */
export class ApiError extends Error {
  constructor(status,{ error = `The service answered with status ${status}.`, code = null } = {}) {
    super(error);
    this.status = status;
    this.code = code;
  }
}

/** Send requests to the service with one key. */
export class ApiClient {
  #promptForKey; // (text) => Promise<string | null>
  #keyPrompt = null;
  #declinedAt = -Infinity;
  #key = sessionStorage.getItem(KEY_STORAGE_NAME);
  #tokens = new Map();

  constructor(promptForKey) {
    this.#promptForKey = promptForKey;
  }

  /** The options of a `SessionClient` with the same key. */
  get credentials() {
    return { token: this.#key, refreshToken: this.#key && (() => this.renewKey()) };
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

  list({ status, cursor, limit }) {
    const filters = { ...(status && { status }), ...(cursor && { cursor }) };
    return this.#requestJson(`${SESSIONS}?${new URLSearchParams({ limit, ...filters })}`);
  }

  info(id) {
    return this.#requestJson(`${SESSIONS}/${id}`);
  }

  close(id) {
    return this.#requestJson(`${SESSIONS}/${id}/close`, { method: 'POST' });
  }

  async delete(id) {
    await this.#requestJson(`${SESSIONS}/${id}`, { method: 'DELETE' });
    this.#tokens.delete(id);
  }

  /** Return the lowest and highest samples of at most `width` pixels. */
  waveform(id, width) {
    return this.#requestJson(`${SESSIONS}/${id}/waveform?width=${width}`);
  }

  /** Return a URL of the completed file. With a bucket, it is a presigned URL of the store. */
  async downloadUrl(id) {
    return (await this.#requestJson(`${SESSIONS}/${id}/download`)).url;
  }

  /** Return a URL of the audio with a token, for elements and links, which send no headers. */
  async audioUrl(id, query) {
    const url = new URL(`${SESSIONS}/${id}/audio?${new URLSearchParams(query)}`, SERVICE_URL);
    const token = await this.#getReadToken(id);
    if (token) url.searchParams.set('token', token);
    return url.href;
  }

  /** Forget the session's read token, so that the next request gets another one. */
  forgetToken(id) {
    this.#tokens.delete(id);
  }

  /** Open a WebSocket that sends the session's PCM from a frame on, or from `now`. */
  async listen(id, from) {
    const url = new URL(`api/ws/audio/${id}/listen?from=${from}`, SERVICE_URL);
    url.protocol = url.protocol.replace('http', 'ws');
    const token = await this.#getReadToken(id);
    return new WebSocket(url, token ? ['bearer', token] : []);
  }

  async #requestKey() {
    const text = this.#key
      ? 'The service refused this key. Enter another one.'
      : 'The service requires an API key or a token.';
    const key = await this.#promptForKey(text);
    if (key === null) {
      this.#declinedAt = performance.now();
      throw authenticationRequiredError();
    }
    this.#key = key;
    sessionStorage.setItem(KEY_STORAGE_NAME, key);
    return key;
  }

  /** Return a token that may read one session; null without authentication. */
  async #getReadToken(id) {
    if (!this.#key) return null;
    const known = this.#tokens.get(id);
    const isFresh = known && Date.parse(known.expires_at) - Date.now() > MIN_TOKEN_LIFETIME_MS;
    if (isFresh) return known.token;
    const body = JSON.stringify({ scope: 'read' });
    const created = await this.#requestJson(`${SESSIONS}/${id}/tokens`, { method: 'POST', body });
    this.#tokens.set(id, created);
    return created.token;
  }

  /**
   * @param {string} path
   * @param {{ method?: string, body?: string }} options
   */
  async #requestJson(path, options = {}) {
    const usedKey = this.#key;
    const response = await this.#fetch(path, options);
    if (response.status === 401) {
      // Another request may have renewed the key meanwhile.
      if (this.#key === usedKey) await this.renewKey();
      return await this.#requestJson(path, options);
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new ApiError(response.status, body);
    return body;
  }

  async #fetch(path, { method = 'GET', body = undefined }) {
    const headers = body ? { 'Content-Type': 'application/json' } : {};
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    try {
      const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      return await fetch(new URL(path, SERVICE_URL), { method, body, headers, signal });
    } catch {
      const text = 'The service does not answer. Check your connection.';
      throw new ApiError(0, { error: text, code: 'unreachable' });
    }
  }
}

function authenticationRequiredError() {
  return new ApiError(401, {
    error: 'The service requires a key.',
    code: 'authentication_required',
  });
}

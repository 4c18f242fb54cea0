/** Where the service is: it served this module. */
export const ROOT = new URL('..', import.meta.url);

const SESSIONS = 'api/audio/sessions';
const KEPT = 'sercuescribe key';
const SPARE_MS = 60_000; // a token that ends sooner is not used any more
const LONGEST_MS = 15_000; // for an answer: networks change, computers wake up
const QUIET_MS = 30_000; // for who does not want to say who they are

/** What the service refused, in its own words. */
export class Refusal extends Error {
  constructor(status, { error = `The service answered ${status}`, code = null } = {}) {
    super(error);
    this.status = status;
    this.code = code;
  }
}

/** The service over HTTP, as one caller. */
export class Service {
  #ask; // for a key: (text) => Promise<string | null>
  #asking = null;
  #declinedAt = -Infinity;
  #key = sessionStorage.getItem(KEPT);
  #tokens = new Map();

  constructor(ask) {
    this.#ask = ask;
  }

  /** What a `SessionClient` needs to be this caller. */
  get credentials() {
    return { token: this.#key, refreshToken: this.#key && (() => this.renewKey()) };
  }

  /** Ask for another key; gives it. All who ask at the same time get the same. */
  async renewKey() {
    if (performance.now() - this.#declinedAt < QUIET_MS) throw unknown();
    return await this.signIn();
  }

  /** The same, for somebody who wants to be asked. */
  async signIn() {
    this.#asking ??= this.#askForKey().finally(() => (this.#asking = null));
    return await this.#asking;
  }

  list({ status, cursor, limit }) {
    const query = new URLSearchParams({ limit, ...(status && { status }), ...(cursor && { cursor }) });
    return this.#json(`${SESSIONS}?${query}`);
  }

  info(id) {
    return this.#json(`${SESSIONS}/${id}`);
  }

  close(id) {
    return this.#json(`${SESSIONS}/${id}/close`, { method: 'POST' });
  }

  async delete(id) {
    await this.#json(`${SESSIONS}/${id}`, { method: 'DELETE' });
    this.#tokens.delete(id);
  }

  /** The lowest and highest samples of at most `width` pixels. */
  waveform(id, width) {
    return this.#json(`${SESSIONS}/${id}/waveform?width=${width}`);
  }

  /** A link to the finished file, for the browser to fetch: the bucket's own where there is one. */
  async downloadUrl(id) {
    return (await this.#json(`${SESSIONS}/${id}/download`)).url;
  }

  /** An address of the audio that an element can play, or a link lead to: they send no headers. */
  async audioUrl(id, query) {
    const url = new URL(`${SESSIONS}/${id}/audio?${new URLSearchParams(query)}`, ROOT);
    const token = await this.#tokenOf(id);
    if (token) url.searchParams.set('token', token);
    return url.href;
  }

  /** The next who needs the session's token gets another one. */
  forgetToken(id) {
    this.#tokens.delete(id);
  }

  /** A WebSocket that gives the session's PCM from a frame on, or from `now`. */
  async listen(id, from) {
    const url = new URL(`api/ws/audio/${id}/listen?from=${from}`, ROOT);
    url.protocol = url.protocol.replace('http', 'ws');
    const token = await this.#tokenOf(id);
    return new WebSocket(url, token ? ['bearer', token] : []);
  }

  async #askForKey() {
    const text = this.#key ? 'The service does not take this key.' : 'The service asks for a key.';
    const key = await this.#ask(text);
    if (key === null) {
      this.#declinedAt = performance.now();
      throw unknown();
    }
    this.#key = key;
    sessionStorage.setItem(KEPT, key);
    return key;
  }

  /** A token to read one session, where callers have to show something. */
  async #tokenOf(id) {
    if (!this.#key) return null;
    const known = this.#tokens.get(id);
    if (known && new Date(known.expires_at) - Date.now() > SPARE_MS) return known.token;
    const body = JSON.stringify({ scope: 'read' });
    const made = await this.#json(`${SESSIONS}/${id}/tokens`, { method: 'POST', body });
    this.#tokens.set(id, made);
    return made.token;
  }

  async #json(path, options = {}) {
    const used = this.#key;
    const answer = await this.#fetch(path, options);
    if (answer.status === 401) {
      // Somebody else may have asked meanwhile.
      if (this.#key === used) await this.renewKey();
      return await this.#json(path, options);
    }
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refusal(answer.status, body);
    return body;
  }

  async #fetch(path, { method = 'GET', body }) {
    const headers = body ? { 'Content-Type': 'application/json' } : {};
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    try {
      const signal = AbortSignal.timeout(LONGEST_MS);
      return await fetch(new URL(path, ROOT), { method, body, headers, signal });
    } catch {
      throw new Refusal(0, { error: 'The service does not answer.', code: 'unreachable' });
    }
  }
}

function unknown() {
  return new Refusal(401, {
    error: 'The service wants to know who you are.',
    code: 'authentication_required',
  });
}

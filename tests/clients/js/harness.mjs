/** Functions for tests in Node and in pages: create a client that records its events. */

/** @import * as api from '../../../clients/js/sercuescribe.js' */

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

/** @type {(keyof api.SessionEvents)[]} */
const EVENT_TYPES = ['state', 'paused', 'ack', 'persisted', 'level', 'warnings', 'error'];

/**
 * @param {typeof api.SessionClient} SessionClient
 * @param {api.SessionOptions} options
 */
export function createClient(SessionClient, options) {
  const client = new SessionClient(options);
  /** @type {[string, unknown][]} */
  const clientEvents = [];
  for (const type of EVENT_TYPES) {
    client.addEventListener(type, ({ detail }) => clientEvents.push([type, toPlain(detail)]));
  }
  Object.assign(globalThis, { client, clientEvents });
}

/** @param {string} base64 */
export function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * Run `code`; return its value or its error, both as JSON values.
 *
 * @param {string} code
 */
export async function evaluate(code) {
  try {
    return { value: (await new AsyncFunction(code)()) ?? null };
  } catch (error) {
    const { code = null, stack = String(error) } = Object(error);
    return { error: { code, message: stack } };
  }
}

/** @param {api.SessionEvents[keyof api.SessionEvents]['detail']} detail */
function toPlain(detail) {
  return detail instanceof Error ? { code: detail.code, message: detail.message } : detail;
}

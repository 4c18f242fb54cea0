/** Functions for tests in Node and in pages: create a client that records its events. */

export function createClient(SessionClient, options) {
  globalThis.clientEvents = [];
  globalThis.client = new SessionClient(options);
  for (const type of ['state', 'ack', 'persisted', 'level', 'warnings', 'error']) {
    client.addEventListener(type, ({ detail }) => clientEvents.push([type, toPlain(type, detail)]));
  }
}

export function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Run `code`; return its value or its error, both as JSON values. */
export async function evaluate(code) {
  try {
    const run = new (async () => {}).constructor(code);
    return { value: (await run()) ?? null };
  } catch (error) {
    return { error: { code: error.code ?? null, message: `${error.stack}` } };
  }
}

function toPlain(type, detail) {
  return type === 'error' ? { code: detail.code, message: detail.message } : detail;
}

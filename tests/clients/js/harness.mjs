/** What tests call, in Node and in pages: a client that remembers what it told. */

export function begin(SessionClient, options) {
  globalThis.told = [];
  globalThis.client = new SessionClient(options);
  for (const type of ['state', 'ack', 'persisted', 'level', 'error']) {
    client.addEventListener(type, ({ detail }) => told.push([type, plain(type, detail)]));
  }
}

export function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Whatever `code` gives, or how it failed, as JSON can say it. */
export async function evaluate(code) {
  try {
    const run = new (async () => {}).constructor(code);
    return { value: (await run()) ?? null };
  } catch (error) {
    return { error: { code: error.code ?? null, message: `${error.stack}` } };
  }
}

function plain(type, detail) {
  return type === 'error' ? { code: detail.code, message: detail.message } : detail;
}

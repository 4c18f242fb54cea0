/** Runs code that comes in on lines, each beside the others, and answers on lines. */

import { createInterface } from 'node:readline';

import * as harness from './harness.mjs';

const api = await import(process.argv[2]);
Object.assign(globalThis, api, harness);
for await (const line of createInterface({ input: process.stdin })) {
  const { id, code } = JSON.parse(line);
  harness.evaluate(code).then((done) => console.log(JSON.stringify({ id, ...done })));
}
process.exit(0);

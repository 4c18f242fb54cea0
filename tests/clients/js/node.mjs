/** Run each line of standard input as code, concurrently, and print the results as JSON lines. */

import { createInterface } from 'node:readline';

import * as harness from './harness.mjs';

const api = await import(process.argv[2]);
Object.assign(globalThis, api, harness);
for await (const line of createInterface({ input: process.stdin })) {
  const { id, code } = JSON.parse(line);
  harness.evaluate(code).then((done) => console.log(JSON.stringify({ id, ...done })));
}
process.exit(0);

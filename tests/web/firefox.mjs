// Records with a service's page in Firefox: firefox.mjs URL QUALITY CHUNKS. Prints, as JSON, the
// chunks that the browser delivered to the client, in base64, and the errors of the page.

import { readFile } from 'node:fs/promises';
import { BUTTON, state, until, withPage } from './firefox_page.mjs';

const [url, quality, chunks] = process.argv.slice(2);
const DELIVERED_CHUNKS = new URL('delivered_chunks.js', import.meta.url);

await withPage(async (page) => {
  await page.evaluateOnNewDocument(
    'globalThis.delivered = []; globalThis.collectChunk = (chunk) => { delivered.push(chunk); };',
  );
  await page.evaluateOnNewDocument(await readFile(DELIVERED_CHUNKS, 'utf8'));
  await page.goto(url);
  await page.select('#recorder [name=quality]', quality);
  await page.click(BUTTON);
  await state(page, 'Recording');
  await until(async () => (await page.evaluate('delivered.length')) >= Number(chunks));
  await page.click(BUTTON);
  await state(page, 'Saved');
  return { delivered: await page.evaluate('delivered') };
});

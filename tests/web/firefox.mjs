// Records with a service's page in Firefox: firefox.mjs URL QUALITY CHUNKS. Prints, as JSON, the
// chunks that the browser delivered to the client, in base64, and the errors of the page.

import { readFile } from 'node:fs/promises';
import puppeteer from 'puppeteer-core';

const [url, quality, chunks] = process.argv.slice(2);
const DELIVERED_CHUNKS = new URL('delivered_chunks.js', import.meta.url);
const BUTTON = '#recorder [data-part=button]';

const browser = await puppeteer.launch({
  browser: 'firefox',
  executablePath: '/usr/bin/firefox-esr',
  headless: true,
  extraPrefsFirefox: {
    'media.navigator.streams.fake': true, // the microphone is a tone
    'media.navigator.permission.disabled': true,
    'media.autoplay.default': 0,
  },
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
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
  const delivered = await page.evaluate('delivered');
  console.log(JSON.stringify({ delivered, errors }));
} finally {
  await browser.close();
}

async function state(page, text) {
  const shown = `document.querySelector('#recorder [data-part=state]').textContent`;
  await until(async () => (await page.evaluate(shown)).includes(text));
}

async function until(holds) {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

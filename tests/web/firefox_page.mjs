// Opens a service's page in Firefox, whose microphone is a tone, for the programs of the tests.

import puppeteer from 'puppeteer-core';

export const BUTTON = '#recorder [data-part=button]';

/** Call `use` with a page of Firefox; print what it returns as JSON, with the errors of the page. */
export async function withPage(use) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.autoplay.default': 0,
    },
  });
  try {
    const page = await browser.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    const found = await use(page);
    console.log(JSON.stringify({ ...found, errors }));
  } finally {
    await browser.close();
  }
}

/** Return when the recorder shows a state. */
export async function state(page, text) {
  const shown = `document.querySelector('#recorder [data-part=state]').textContent`;
  await until(async () => (await page.evaluate(shown)).includes(text));
}

export async function until(holds) {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// Records with a service's page in Firefox on a machine without an audio output:
// firefox_without_output.mjs URL. Prints, as JSON, what the page says, how many sessions exist
// then, and the errors of the page; records compressed afterwards, as the page offers.

import { BUTTON, state, until, withPage } from './firefox_page.mjs';

const [url] = process.argv.slice(2);

await withPage(async (page) => {
  await page.goto(url);
  await page.click(BUTTON);
  await until(() => page.evaluate(`document.querySelector('.notice.error') !== null`));
  const said = await page.evaluate(`document.querySelector('.notice.error span').textContent`);
  const listed = await page.evaluate(`fetch('api/audio/sessions').then((answer) => answer.json())`);
  await page.click('.notice.error button');
  await state(page, 'Recording');
  await until(() =>
    page.evaluate(`document.querySelector('[data-part=received]').textContent > '0:01'`),
  );
  await page.click(BUTTON);
  await state(page, 'Saved');
  return { said, sessions: listed.sessions.length };
});

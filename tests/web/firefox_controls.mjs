// Records with a service's page in Firefox: firefox_controls.mjs URL. Marks and pauses, resumes
// after a reload, and shares the recording. Prints, as JSON, the address of the link and the errors
// of the page.

import { BUTTON, state, until, withPage } from './firefox_page.mjs';

const [url] = process.argv.slice(2);
const RECEIVED = `document.querySelector('[data-part=received]').textContent`;

await withPage(async (page) => {
  page.on('dialog', (dialog) => dialog.accept());
  const shows = (selector, text) => until(() =>
    page.evaluate(
      (...given) => document.querySelector(given[0])?.textContent.includes(given[1]) ?? false,
      selector,
      text,
    ),
  );
  await page.goto(url);
  await page.click(BUTTON);
  await state(page, 'Recording');
  await until(() => page.evaluate(`${RECEIVED} > '0:00.5'`));
  await page.type('[data-part=markLabel]', 'Question 2');
  await page.click('[data-part=mark]');
  await shows('[data-part=marked]', 'marks');
  await page.click('[data-part=pause]');
  await shows('#list .badge', 'Paused');
  await page.reload();
  await shows('#outgoing li', 'Paused at');
  await page.click('#outgoing [data-part=resume]');
  await state(page, 'Recording');
  const resumed = await page.evaluate(RECEIVED);
  await until(() => page.evaluate(`${RECEIVED} > '${resumed}'`));
  await page.click(BUTTON);
  await state(page, 'Saved');
  await shows('#list .badge', 'Finished');
  await page.click('#list [data-part=share]');
  await page.waitForSelector('dialog .primary');
  await page.click('dialog .primary');
  await until(() => page.evaluate(`document.querySelector('dialog input[readonly]')?.value`));
  return { link: await page.evaluate(`document.querySelector('dialog input[readonly]').value`) };
});

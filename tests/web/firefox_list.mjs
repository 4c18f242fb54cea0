// Uses the list of a service's page in Firefox: firefox_list.mjs URL. Finds the recording called
// “Interview” among two, renames it, and plays it from the middle.

import { until, withPage } from './firefox_page.mjs';

const [url] = process.argv.slice(2);
const NAMES = `[...document.querySelectorAll('#list h3')].map((name) => name.textContent)`;
const SEEK = `document.querySelector('#list [data-part=seek]')`;

await withPage(async (page) => {
  await page.goto(url);
  await until(async () => (await page.evaluate(NAMES)).length === 2);
  await page.type('#filter [type=search]', 'interview');
  await until(async () => (await page.evaluate(NAMES)).length === 1);
  const found = await page.evaluate(NAMES);
  await page.click('#list [data-part=rename]');
  await page.keyboard.press('End');
  await page.keyboard.type(' with Ada');
  await page.keyboard.press('Enter');
  await until(async () => (await page.evaluate(NAMES))[0] !== found[0]);
  const [renamed] = await page.evaluate(NAMES);
  await page.focus('#list [data-part=seek]');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press(' ');
  await until(async () => (await page.evaluate(`${SEEK}.valueAsNumber`)) > 10.2);
  await page.keyboard.press(' ');
  await until(async () => page.evaluate(`!document.querySelector('#list .playing')`));
  return { found, renamed };
});

/** The page that shows the state of one node to an admin. */

/** @import { NodeStatus } from './types.js' */

import { Account } from './account.js';
import { ApiClient } from './api-client.js';
import { promptForKey } from './dialogs.js';
import { createElement, findElement, findParts, setText } from './elements.js';
import { formatBytes, formatClock } from './format.js';
import { fill, localizePage } from './localize.js';
import { showError } from './notices.js';
import { texts } from './texts.js';

const REFRESH_INTERVAL_MS = 5000;

localizePage();
const api = new ApiClient(promptForKey);
const account = new Account(api);
const parts = findParts(findElement(document, '#node', HTMLElement), {
  about: HTMLElement,
  problems: HTMLElement,
  numbers: HTMLElement,
});

/** @param {NodeStatus} status */
function show(status) {
  const { node, version, storage, problems } = status;
  const state = status.is_draining ? texts.status.stopping : texts.status.running;
  setText(parts.about, fill(texts.status.about, { node, state, version, storage }));
  parts.problems.replaceChildren(...problems.map((text) => createElement('li', { textContent: text })));
  const { sessionCount } = texts.status;
  showNumbers({
    [texts.status.sessions]: fill(sessionCount, {
      count: status.active_sessions,
      most: status.max_sessions,
    }),
    [texts.status.notStored]: formatBytes(status.unpersisted_bytes),
    [texts.status.waitingFor]: formatSeconds(status.unpersisted_seconds),
    [texts.status.freeSpace]: formatBytes(status.free_bytes),
    [texts.status.leaseAge]: formatSeconds(status.lease_age_seconds),
  });
  showRows(
    '#sessions',
    status.sessions.map((session) => [
      session.session_id,
      session.user_id ?? '–',
      session.format,
      String(session.connections),
      formatClock(session.duration_seconds),
      formatBytes(session.unpersisted_bytes),
      formatSeconds(session.unpersisted_seconds),
      String(session.warning_count),
    ]),
  );
  showRows(
    '#store',
    status.store.map(({ name, requests, mean_seconds, errors }) => [
      name,
      String(requests),
      formatSeconds(mean_seconds),
      String(errors),
    ]),
  );
  showRows(
    '#tasks',
    status.tasks.map(({ name, is_up, failures }) => [
      name,
      is_up ? texts.status.up : texts.status.failed,
      String(failures),
    ]),
  );
}

/** @param {Record<string, string>} numbers */
function showNumbers(numbers) {
  const groups = Object.entries(numbers).map(([name, text]) =>
    createElement('div', {}, [
      createElement('dt', { textContent: name }),
      createElement('dd', { textContent: text }),
    ]),
  );
  parts.numbers.replaceChildren(...groups);
}

/**
 * @param {string} table
 * @param {string[][]} rows
 */
function showRows(table, rows) {
  const body = findElement(document, `${table} tbody`, HTMLElement);
  body.replaceChildren(
    ...rows.map((cells) =>
      createElement('tr', {}, cells.map((text) => createElement('td', { textContent: text }))),
    ),
  );
}

/** @param {number} seconds */
function formatSeconds(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

async function refresh() {
  try {
    show(await api.status());
  } catch (error) {
    showError(error);
  }
  setTimeout(refresh, REFRESH_INTERVAL_MS);
}

await refresh();
account.update();

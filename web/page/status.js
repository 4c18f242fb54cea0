/** The page that shows the state of one node to an admin. */

/** @import { NodeStatus } from './types.js' */

import { ApiClient } from './api-client.js';
import { promptForKey } from './dialogs.js';
import { findElement, findParts, setText } from './elements.js';
import { formatBytes, formatClock } from './format.js';
import { showError } from './notices.js';

const REFRESH_INTERVAL_MS = 5000;

const api = new ApiClient(promptForKey);
const parts = findParts(findElement(document, '#node', HTMLElement), {
  about: HTMLElement,
  problems: HTMLElement,
  numbers: HTMLElement,
});

/** @param {NodeStatus} status */
function show(status) {
  const state = status.is_draining ? 'stopping' : 'running';
  setText(parts.about, `${status.node}: ${state}, release ${status.version}, ${status.storage}`);
  parts.problems.replaceChildren(...status.problems.map((text) => createElement('li', text)));
  showNumbers({
    Sessions: `${status.active_sessions} of ${status.max_sessions}`,
    'Not stored yet': formatBytes(status.unpersisted_bytes),
    'Waiting for': formatSeconds(status.unpersisted_seconds),
    'Free space': formatBytes(status.free_bytes),
    'Age of the lease': formatSeconds(status.lease_age_seconds),
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
      is_up ? 'up' : 'failed',
      String(failures),
    ]),
  );
}

/** @param {Record<string, string>} numbers */
function showNumbers(numbers) {
  const groups = Object.entries(numbers).map(([name, text]) => {
    const group = document.createElement('div');
    group.append(createElement('dt', name), createElement('dd', text));
    return group;
  });
  parts.numbers.replaceChildren(...groups);
}

/**
 * @param {string} table
 * @param {string[][]} rows
 */
function showRows(table, rows) {
  const body = findElement(document, `${table} tbody`, HTMLElement);
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement('tr');
      row.append(...cells.map((text) => createElement('td', text)));
      return row;
    }),
  );
}

/**
 * @param {string} name
 * @param {string} text
 */
function createElement(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
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

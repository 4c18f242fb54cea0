/** @import { Session } from './types.js' */

import { openDialog } from './dialogs.js';
import { createElement } from './elements.js';
import { formatBytes, formatClock, formatCount, formatDateTime } from './format.js';
import { fill } from './localize.js';
import { texts } from './texts.js';

const SHOWN_KEY_DIGITS = 16;

/**
 * Show the receipt of a session: what the service states, what that proves, and the file.
 *
 * @param {Session} session with a receipt
 */
export function showReceipt(session) {
  const { receipt: shown } = texts;
  const facts = Object.entries(describeReceipt(session)).map(([name, value]) =>
    createElement('div', {}, [
      createElement('dt', { textContent: name }),
      createElement('dd', { textContent: value }),
    ]),
  );
  const file = new Blob([`${JSON.stringify(session.receipt, null, 2)}\n`]);
  const url = URL.createObjectURL(file);
  const link = createElement('a', {
    href: url,
    download: `${session.session_id}.receipt.json`,
    textContent: shown.download,
  });
  const { answer } = openDialog(shown.title, [
    createElement('p', { textContent: session.receipt?.signature ? shown.signed : shown.unsigned }),
    createElement('dl', { className: 'facts-list' }, facts),
    createElement('p', {}, [link]),
    createElement('p', { className: 'hint', textContent: shown.proves }),
    createElement('p', { className: 'hint', textContent: shown.provesNot }),
    createElement('div', { className: 'buttons' }, [
      createElement('button', { value: '', textContent: texts.shortcuts.close }),
    ]),
  ]);
  answer.then(() => URL.revokeObjectURL(url));
}

/** @param {Session} session */
function describeReceipt({ receipt, duration_seconds: seconds, completed_at: completedAt }) {
  const { facts, unknown, none } = texts.receipt;
  if (!receipt) throw new TypeError('the session has no receipt');
  const inputs = receipt.inputs?.map(({ bytes }) => formatBytes(bytes)).join(' + ');
  const recorded = { duration: formatClock(seconds), size: formatBytes(receipt.audio.bytes) };
  return {
    [facts.completed]: completedAt ? formatDateTime(completedAt) : unknown,
    [facts.received]: fill(texts.receipt.received, {
      count: receipt.chunk_count,
      number: formatCount(receipt.chunk_count),
      size: inputs || unknown,
    }),
    [facts.recorded]: fill(texts.receipt.recorded, recorded),
    [facts.digest]: receipt.audio.digest,
    [facts.key]: receipt.kid ? `${receipt.kid.slice(0, SHOWN_KEY_DIGITS)}…` : none,
  };
}

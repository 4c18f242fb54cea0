/** @import { UnfinishedSession } from '../client.js' */
/** @import { ApiClient } from './api-client.js' */

import { SessionClient, SessionError } from '../client.js';
import { confirmAction } from './dialogs.js';
import { messageOf } from './errors.js';
import { formatDateTime } from './format.js';
import { DISMISS_ACTION, showNotice, withErrorNotice } from './notices.js';

/**
 * Finish the sessions that a reload, a crash or a closed tab interrupted.
 *
 * @param {ApiClient} api
 * @param {() => void} onCompleted
 */
export async function resumeUnfinishedSessions(api, onCompleted) {
  const unfinished = await SessionClient.unfinished();
  await Promise.all(unfinished.map((session) => resumeSession(session, api, onCompleted)));
}

/**
 * @param {UnfinishedSession} session
 * @param {ApiClient} api
 * @param {() => void} onCompleted
 * @returns {Promise<void>}
 */
async function resumeSession(session, api, onCompleted) {
  const { id, createdAt } = session;
  const name = `the recording of ${formatDateTime(createdAt)}`;
  const retry = () => resumeSession(session, api, onCompleted);
  const hideNotice = showNotice(`Sending the remaining audio of ${name}…`);
  try {
    await SessionClient.resume(id, api.credentials);
    showNotice(`The remaining audio of ${name} was sent.`, { actions: DISMISS_ACTION });
    onCompleted();
  } catch (error) {
    // Another tab finished it, or is finishing it.
    if (error instanceof SessionError && error.code === 'not_unfinished') return;
    showNotice(`The remaining audio of ${name} could not be sent: ${messageOf(error)}`, {
      kind: 'error',
      actions: {
        'Try again': retry,
        Discard: withErrorNotice(() => discardSession(id, name, retry)),
      },
    });
  } finally {
    hideNotice();
  }
}

/**
 * @param {string} id
 * @param {string} name
 * @param {() => Promise<void>} retry
 */
async function discardSession(id, name, retry) {
  const isConfirmed = await confirmAction({
    title: 'Discard the unsent audio?',
    text: `The unsent audio of ${name} exists only in this browser.`,
    yes: 'Discard',
  });
  if (isConfirmed) await SessionClient.discard(id);
  else await retry();
}

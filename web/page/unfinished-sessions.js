import { SessionClient } from '../client.js';
import { confirmAction } from './dialogs.js';
import { formatDateTime } from './format.js';
import { DISMISS_ACTION, showNotice, withErrorNotice } from './notices.js';

/** Send the rest of the sessions that a reload, a crash or a closed tab has interrupted. */
export async function resumeUnfinishedSessions(api, onCompleted) {
  const unfinished = await SessionClient.unfinished();
  await Promise.all(unfinished.map((session) => resumeSession(session, api, onCompleted)));
}

async function resumeSession(session, api, onCompleted) {
  const { id, createdAt } = session;
  const name = `the recording of ${formatDateTime(createdAt)}`;
  const retry = () => resumeSession(session, api, onCompleted);
  const hideNotice = showNotice(`Sending the rest of ${name}…`);
  try {
    await SessionClient.resume(id, api.credentials);
    showNotice(`The rest of ${name} has arrived.`, { actions: DISMISS_ACTION });
    onCompleted();
  } catch (error) {
    if (error.code === 'not_unfinished') return; // another tab has finished it, or is doing so
    showNotice(`The rest of ${name} could not be sent: ${error.message}`, {
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

async function discardSession(id, name, retry) {
  const isConfirmed = await confirmAction({
    title: 'Discard what was not sent?',
    text: `It is the rest of ${name}, and only in this browser.`,
    yes: 'Discard',
  });
  if (isConfirmed) await SessionClient.discard(id);
  else await retry();
}

import { SessionClient } from '../client.js';
import { confirmed } from './dialogs.js';
import { complaining, DISMISS, notice } from './elements.js';
import { moment } from './text.js';

/** Finish what pages of this origin began and left: a reload, a crash, a closed tab. */
export async function finishLeftovers(service, saved) {
  const left = await SessionClient.unfinished();
  await Promise.all(left.map((session) => finish(session, service, saved)));
}

async function finish(session, service, saved) {
  const { id, createdAt } = session;
  const name = `the recording of ${moment(createdAt)}`;
  const again = () => finish(session, service, saved);
  const done = notice(`Sending the rest of ${name}…`);
  try {
    await SessionClient.resume(id, service.credentials);
    notice(`The rest of ${name} has arrived.`, { actions: DISMISS });
    saved();
  } catch (error) {
    if (error.code === 'not_unfinished') return; // another tab is at it, or was
    notice(`The rest of ${name} could not be sent: ${error.message}`, {
      kind: 'error',
      actions: {
        'Try again': again,
        Discard: complaining(() => discard(id, name, again)),
      },
    });
  } finally {
    done();
  }
}

async function discard(id, name, again) {
  const isSure = await confirmed({
    title: 'Discard what was not sent?',
    text: `It is the rest of ${name}, and only in this browser.`,
    yes: 'Discard',
  });
  if (isSure) await SessionClient.discard(id);
  else await again();
}

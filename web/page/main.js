/** The page to record, play and manage recordings. */

import { Account } from './account.js';
import { ApiClient } from './api-client.js';
import { promptForKey } from './dialogs.js';
import { findElement } from './elements.js';
import { localizePage } from './localize.js';
import { closeMenusOutside } from './menus.js';
import { showError } from './notices.js';
import { OutgoingList } from './outgoing-list.js';
import { currentPanel } from './playback-panel.js';
import { RecorderCard } from './recorder-card.js';
import { RecordingList } from './recording-list.js';
import { Shortcuts } from './shortcuts.js';
import { acceptFiles } from './upload.js';

localizePage();
closeMenusOutside();
const api = new ApiClient(promptForKey);
const account = new Account(api, { canSignOut: () => !recorder.isBusy });
const recordings = new RecordingList(api, (text) => account.offerSignIn(text));
const refresh = () => recordings.refresh();
const outgoing = new OutgoingList(api, refresh, (paused) => recorder.continue(paused));
const resumeUnfinished = () => outgoing.resumeUnfinished().catch(showError);
const recorder = new RecorderCard(findElement(document, '#recorder', HTMLElement), api, {
  onSessionsChanged: refresh,
  onUnsent: (client, startedAt) => outgoing.addRecording(client, startedAt),
  onFailed: resumeUnfinished,
});
acceptFiles((files) => outgoing.upload(files));
new Shortcuts({
  record: () => recorder.toggle(),
  pause: () => recorder.togglePause(),
  mark: () => recorder.mark(),
  play: () => currentPanel()?.toggle(),
  back: () => currentPanel()?.skip(-10),
  forward: () => currentPanel()?.skip(10),
  slower: () => currentPanel()?.changeSpeed(-1),
  faster: () => currentPanel()?.changeSpeed(1),
  zoomIn: () => currentPanel()?.zoom('in'),
  zoomOut: () => currentPanel()?.zoom('out'),
  upload: () => findElement(document, '#files', HTMLInputElement).click(),
});

// The list may prompt for a key, which the unfinished sessions need as well.
await refresh();
account.update();
resumeUnfinished();

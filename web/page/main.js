import { ApiClient } from './api-client.js';
import { promptForKey } from './dialogs.js';
import { findElement } from './elements.js';
import { showError } from './notices.js';
import { RecorderCard } from './recorder-card.js';
import { RecordingList } from './recording-list.js';
import { resumeUnfinishedSessions } from './unfinished-sessions.js';

const api = new ApiClient(promptForKey);
const recordings = new RecordingList(api);
const refresh = () => recordings.refresh();
const resumeUnfinished = () => resumeUnfinishedSessions(api, refresh).catch(showError);
new RecorderCard(findElement(document, '#recorder', HTMLElement), api, {
  onSessionsChanged: refresh,
  onFailed: resumeUnfinished,
});

// The list may prompt for a key, which the unfinished sessions need as well.
await refresh();
resumeUnfinished();

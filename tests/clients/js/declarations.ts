/** `make lint` fails here if `sercuescribe.d.ts` declares what the sources do not have. */

import { SessionError } from '../../../clients/js/client/errors.js';
import { MediaRecorderSource } from '../../../clients/js/client/media-recorder-source.js';
import { MicrophoneSource } from '../../../clients/js/client/microphone-source.js';
import { SessionClient } from '../../../clients/js/client/session-client.js';
import type * as declared from '../../../clients/js/sercuescribe.js';

export const implementation: typeof declared = {
  SessionError,
  MediaRecorderSource,
  MicrophoneSource,
  SessionClient,
};

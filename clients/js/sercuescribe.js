/** The client of SercueScribe: records what a page hears, without losing any of it. */

export { SessionError } from './client/errors.js';
export { MediaRecorderSource } from './client/media-recorder-source.js';
export { MicrophoneSource } from './client/microphone-source.js';
export { SessionClient } from './client/session-client.js';

/** The client of SercueScribe: record the audio of a page without losing a sample. */

export { SessionError } from './client/errors.js';
export { MediaRecorderSource } from './client/media-recorder-source.js';
export { MicrophoneSource } from './client/microphone-source.js';
export { ServiceClient } from './client/service-client.js';
export { SessionClient } from './client/session-client.js';

/** @import { ApiClient } from './api-client.js' */
/** @import { Delivery } from './outgoing-item.js' */

import { SessionClient } from '../client.js';
import { SERVICE_URL } from './api-client.js';
import { findElement } from './elements.js';
import { fill } from './localize.js';
import { showWarnings } from './notices.js';
import { texts } from './texts.js';
import { WAV_HEADER_BYTES, wavParameters } from './wav-header.js';

const AUDIO_TYPE = /^(audio\/|video\/(mp4|webm|ogg)|application\/ogg)/;
const AUDIO_NAME = /\.(wav|mp3|flac|aac|m4a|mp4|ogg|oga|opus|webm)$/i;
const DEFAULT_PARAMETERS = { sampleRate: 48000, channels: 2 };
const MAX_TITLE_LENGTH = 200;
const CONTROLS = /\p{Cc}/gu; // a title is one line

/**
 * Upload a file as one recording; the client continues after a lost connection.
 *
 * @param {File} file
 * @param {ApiClient} api
 * @returns {Promise<Delivery>}
 * @throws {Error} if the file is no audio
 */
export async function startUpload(file, api) {
  const { name } = file;
  if (!AUDIO_TYPE.test(file.type) && !AUDIO_NAME.test(name)) {
    throw new Error(fill(texts.upload.noAudio, { name }));
  }
  const header = await file.slice(0, WAV_HEADER_BYTES).arrayBuffer();
  const parameters = wavParameters(header) ?? DEFAULT_PARAMETERS;
  const title = name.replace(AUDIO_NAME, '').replace(CONTROLS, ' ').slice(0, MAX_TITLE_LENGTH);
  const options = { url: SERVICE_URL.href, title, ...parameters, ...api.credentials };
  const client = new SessionClient(options);
  client.addEventListener('warnings', ({ detail }) => showWarnings(detail.warnings));
  let readBytes = 0;
  /** @type {TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>} */
  const counter = new TransformStream({
    transform(chunk, controller) {
      readBytes += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  await client.start(file.stream().pipeThrough(counter));
  const result = client.stop();
  result.catch(() => {}); // `OutgoingItem` handles it
  return {
    name,
    sentText: fill(texts.outgoing.uploaded, { name }),
    client,
    result,
    file: { sizeBytes: file.size, readBytes: () => readBytes },
    retry: () => startUpload(file, api),
    discard: async () => {
      client.abandon();
      if (client.sessionId !== null) await api.delete(client.sessionId);
    },
  };
}

/**
 * Let the user choose or drop files.
 *
 * @param {(files: Iterable<File>) => void} onFiles
 */
export function acceptFiles(onFiles) {
  const input = findElement(document, '#files', HTMLInputElement);
  const target = findElement(document, '#drop', HTMLElement);
  findElement(document, '#upload', HTMLButtonElement).addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    onFiles([...(input.files ?? [])]);
    input.value = ''; // the same file can be chosen again
  });
  document.addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    target.hidden = false;
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) target.hidden = true; // out of the window
  });
  document.addEventListener('drop', (event) => {
    target.hidden = true;
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    onFiles([...event.dataTransfer.files]);
  });
}

/** @import { PausedRecording } from './types.js' */

import { copyTemplate, findElement, findParts, setText } from './elements.js';
import { formatClock, formatDateTime } from './format.js';
import { fill } from './localize.js';
import { showError } from './notices.js';
import { texts } from './texts.js';

/** A recording whose page ended in a pause: the user resumes or finishes it. */
export class PausedItem {
  element;
  #recording;
  #parts;

  /** @param {PausedRecording} recording */
  constructor(recording) {
    this.#recording = recording;
    this.element = findElement(copyTemplate('#paused-item'), 'li', HTMLElement);
    this.#parts = findParts(this.element, {
      name: HTMLElement,
      state: HTMLElement,
      resume: HTMLButtonElement,
      finish: HTMLButtonElement,
    });
    const { startedAt, session } = recording;
    const date = formatDateTime(startedAt);
    setText(this.#parts.name, fill(texts.outgoing.recording, { date }));
    const position = formatClock(session.duration_seconds);
    setText(this.#parts.state, fill(texts.outgoing.paused, { position }));
  }

  /**
   * Settles with what has become of the recording: as the user has chosen, or its client has ended.
   *
   * @param {(recording: PausedRecording) => Promise<void>} resume throws if that fails
   * @returns {Promise<'resumed' | 'finish' | 'ended'>}
   */
  decided(resume) {
    const { client } = this.#recording;
    return new Promise((resolve) => {
      client.addEventListener('state', ({ detail }) => {
        if (detail.state === 'completed' || detail.state === 'failed') resolve('ended');
      });
      this.#parts.finish.addEventListener('click', () => resolve('finish'));
      this.#parts.resume.addEventListener('click', async () => {
        try {
          await resume(this.#recording);
          resolve('resumed');
        } catch (error) {
          showError(error);
        }
      });
    });
  }
}

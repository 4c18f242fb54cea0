/** @import { Recording } from './recording.js' */

import { findParts, setText } from './elements.js';
import { formatClock } from './format.js';
import { fill } from './localize.js';
import { withErrorNotice } from './notices.js';
import { texts } from './texts.js';

const PART_TYPES = {
  controls: HTMLElement,
  pause: HTMLButtonElement,
  mark: HTMLButtonElement,
  markLabel: HTMLInputElement,
  marked: HTMLElement,
};

/** Pause, resume and mark the recording that runs. */
export class RecordingControls {
  #parts;
  /** @type {Recording | null} */
  #recording = null; // null: there is none that can be paused
  #markCount = 0;

  /** @param {HTMLElement} root the recorder */
  constructor(root) {
    this.#parts = findParts(root, PART_TYPES);
    const { pause, mark, markLabel } = this.#parts;
    const setMark = withErrorNotice(() => this.mark());
    pause.addEventListener('click', withErrorNotice(() => this.togglePause()));
    mark.addEventListener('click', setMark);
    markLabel.addEventListener('keydown', ({ key }) => key === 'Enter' && setMark());
  }

  /**
   * Show the controls of a recording; hide them if it is null.
   *
   * @param {Recording | null} recording
   */
  show(recording) {
    const { controls, pause, markLabel, marked } = this.#parts;
    if (recording !== null && recording !== this.#recording) {
      this.#markCount = 0;
      setText(marked, '');
    }
    this.#recording = recording;
    controls.hidden = recording === null;
    setText(pause, recording?.isPaused ? texts.recorder.resume : texts.recorder.pause);
    pause.setAttribute('aria-disabled', String(recording?.state === 'resuming'));
    markLabel.placeholder = this.#nextLabel;
  }

  async togglePause() {
    if (this.#recording?.isPaused) await this.#recording.resume();
    else this.#recording?.pause();
  }

  /** Mark the last recorded moment, with the label of the field or a number. */
  async mark() {
    const recording = this.#recording;
    const { markLabel, marked } = this.#parts;
    if (!recording) return;
    const label = markLabel.value.trim() || this.#nextLabel;
    const position = formatClock(recording.progress.elapsedSeconds(performance.now()));
    const values = { label, position };
    this.#markCount += 1;
    markLabel.value = '';
    markLabel.placeholder = this.#nextLabel;
    setText(marked, fill(texts.recorder.marking, values));
    try {
      await recording.client.mark(label);
    } catch (error) {
      setText(marked, fill(texts.recorder.notMarked, values));
      throw error;
    }
    setText(marked, fill(texts.recorder.marked, values));
  }

  get #nextLabel() {
    return fill(texts.recorder.markName, { number: this.#markCount + 1 });
  }
}

/** @import { Session } from './types.js' */

import { findParts, setText } from './elements.js';
import { formatName } from './format.js';
import { withErrorNotice } from './notices.js';

const PART_TYPES = {
  name: HTMLElement,
  title: HTMLElement,
  rename: HTMLButtonElement,
  titleForm: HTMLFormElement,
  titleText: HTMLInputElement,
  cancelTitle: HTMLButtonElement,
};

/** The name of a recording in its row, which the user edits in place. */
export class TitleEditor {
  #parts;
  #save;
  #title = '';

  /**
   * @param {HTMLElement} root the card
   * @param {(title: string) => Promise<void>} save called with '' if the recording gets no title
   */
  constructor(root, save) {
    this.#parts = findParts(root, PART_TYPES);
    this.#save = save;
    const { rename, titleForm, cancelTitle } = this.#parts;
    const submit = withErrorNotice(() => this.#submit());
    rename.addEventListener('click', () => this.#open());
    cancelTitle.addEventListener('click', () => this.#close());
    titleForm.addEventListener('submit', (event) => {
      event.preventDefault();
      submit();
    });
    titleForm.addEventListener('keydown', ({ key }) => key === 'Escape' && this.#close());
  }

  get isOpen() {
    return !this.#parts.titleForm.hidden;
  }

  /**
   * Show the name of a session, also below an open editor.
   *
   * @param {Session} session
   */
  show(session) {
    this.#title = session.title ?? '';
    setText(this.#parts.title, formatName(session));
  }

  #open() {
    const { name, title, titleForm, titleText } = this.#parts;
    name.hidden = true;
    titleForm.hidden = false;
    titleText.value = this.#title;
    titleText.placeholder = this.#title === '' ? (title.textContent ?? '') : '';
    titleText.select();
    titleText.focus();
  }

  #close() {
    const { name, titleForm, rename } = this.#parts;
    titleForm.hidden = true;
    name.hidden = false;
    rename.focus();
  }

  async #submit() {
    const title = this.#parts.titleText.value.trim();
    if (title !== this.#title) await this.#save(title);
    this.#close();
  }
}

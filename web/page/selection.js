import { confirmAction } from './dialogs.js';
import { findElement, findParts, setText } from './elements.js';
import { messageOf } from './errors.js';
import { fill } from './localize.js';
import { showError, withErrorNotice } from './notices.js';
import { texts } from './texts.js';

const DELETIONS_AT_ONCE = 4;

/**
 * @typedef {object} SelectionListener
 * @property {(id: string, isSelected: boolean) => void} onChange
 * @property {(id: string) => Promise<void>} onDelete called after the user confirmed it
 * @property {() => string[]} onSelectAll return the ids of all that are shown
 */

/** The selected recordings, and the bar with what can be done with them. */
export class Selection {
  /** @type {Set<string>} */
  #ids = new Set();
  #listener;
  #root;
  #parts;

  /** @param {SelectionListener} listener */
  constructor(listener) {
    this.#listener = listener;
    this.#root = findElement(document, '#selection', HTMLElement);
    this.#parts = findParts(this.#root, {
      count: HTMLElement,
      all: HTMLButtonElement,
      clear: HTMLButtonElement,
      delete: HTMLButtonElement,
    });
    this.#parts.all.addEventListener('click', () => {
      for (const id of listener.onSelectAll()) this.toggle(id, true);
    });
    this.#parts.clear.addEventListener('click', () => this.clear());
    this.#parts.delete.addEventListener('click', withErrorNotice(() => this.#delete()));
  }

  /** The ids of the selected recordings. */
  get ids() {
    return [...this.#ids];
  }

  /**
   * @param {string} id
   * @param {boolean} isSelected
   */
  toggle(id, isSelected) {
    if (this.#ids.has(id) === isSelected) return;
    if (isSelected) this.#ids.add(id);
    else this.#ids.delete(id);
    this.#listener.onChange(id, isSelected);
    const isFocused = this.#root.contains(document.activeElement);
    this.#root.hidden = this.#ids.size === 0;
    setText(this.#parts.count, fill(texts.list.selected, { count: this.#ids.size }));
    if (isFocused && this.#root.hidden) findElement(document, '#recordings', HTMLElement).focus();
  }

  clear() {
    for (const id of this.ids) this.toggle(id, false);
  }

  async #delete() {
    const isConfirmed = await confirmAction({
      title: fill(texts.list.deleteTitle, { count: this.#ids.size }),
      text: fill(texts.list.deleteText, { count: this.#ids.size }),
      yes: texts.recording.delete,
    });
    if (isConfirmed) await this.#deleteAll();
  }

  /** Delete the selected recordings; say how many could not be deleted. */
  async #deleteAll() {
    /** @type {unknown[]} */
    const errors = [];
    const { ids } = this;
    const deleteNext = async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        await this.#listener.onDelete(id).catch((error) => errors.push(error));
      }
    };
    await Promise.all(Array.from({ length: DELETIONS_AT_ONCE }, deleteNext));
    if (errors.length === 0) return;
    const values = { count: errors.length, message: messageOf(errors[0]) };
    showError(new Error(fill(texts.list.notDeleted, values)));
  }
}

/** @import { RecordingRow } from './recording-row.js' */
/** @import { Session, SessionPage } from './types.js' */

import { findElement } from './elements.js';

/** The rows of the list, in the order in which the service lists their sessions. */
export class RecordingRows {
  #list;
  #createRow;
  #onRemoved;
  /** @type {Map<string, RecordingRow>} */
  #rows = new Map(); // by session id

  /**
   * @param {HTMLElement} list
   * @param {(session: Session) => RecordingRow} createRow
   * @param {(id: string) => void} onRemoved
   */
  constructor(list, createRow, onRemoved) {
    this.#list = list;
    this.#createRow = createRow;
    this.#onRemoved = onRemoved;
  }

  get size() {
    return this.#rows.size;
  }

  get ids() {
    return [...this.#rows.keys()];
  }

  /** The sessions that are shown as active, with their ids. */
  get active() {
    return [...this.#rows].filter(([, row]) => row.isActive);
  }

  /** @param {string} id */
  get(id) {
    return this.#rows.get(id);
  }

  /**
   * Show the first page: rows in its range that it does not have are removed. If no row is known,
   * the list begins anew, because sessions in between would be missing.
   *
   * @param {SessionPage} page
   */
  showFirstPage({ sessions, next_cursor: next }) {
    if (sessions.length > 0 && !sessions.some(({ session_id: id }) => this.#rows.has(id))) {
      this.clear();
    }
    this.#show(sessions, null);
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const last = this.#rows.get(sessions.at(-1)?.session_id ?? '')?.element;
    for (const [id, { element }] of this.#rows) {
      const isInRange = next === null || (last !== undefined && isBefore(element, last));
      if (isInRange && !listed.has(id)) this.remove(id);
    }
  }

  /**
   * Show a later page below all others. Some of its sessions may be known.
   *
   * @param {Session[]} sessions
   */
  append(sessions) {
    this.#show(sessions, this.#list.lastElementChild);
  }

  /**
   * Remove the row of a session, unless it was removed already.
   *
   * @param {string} id
   */
  remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    const isFocused = row.element.contains(document.activeElement);
    row.dispose();
    this.#rows.delete(id);
    if (isFocused) findElement(document, '#recordings', HTMLElement).focus();
    this.#onRemoved(id);
  }

  clear() {
    for (const id of this.ids) this.remove(id);
  }

  /**
   * @param {Session[]} sessions in their order, none of the list in between
   * @param {Element | null} previous the row before them; null: they are the first
   */
  #show(sessions, previous) {
    for (const session of sessions) {
      const known = this.#rows.get(session.session_id);
      const row = known ?? this.#createRow(session);
      if (known) known.update(session);
      else {
        this.#rows.set(session.session_id, row);
        if (previous) previous.after(row.element);
        else this.#list.prepend(row.element);
      }
      previous = row.element;
    }
  }
}

/**
 * @param {Node} one
 * @param {Node} other
 */
function isBefore(one, other) {
  return (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
}

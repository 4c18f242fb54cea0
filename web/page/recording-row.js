/** @import { ApiClient } from './api-client.js' */
/** @import { CardListener } from './recording-card.js' */
/** @import { Session } from './types.js' */

import { createElement } from './elements.js';
import { formatFacts, formatName } from './format.js';
import { RecordingCard } from './recording-card.js';

const MARGIN = '600px 0px'; // rows are filled before they come into view

/**
 * One row of the list. Its card exists only near the visible part of the page; elsewhere the row
 * has its height, its name and its facts, which the search of the browser finds.
 */
export class RecordingRow {
  element = createElement('li', { className: 'card recording' });
  #api;
  #session;
  /** @type {CardListener} */
  #listener;
  #isSelected = false;
  /** @type {RecordingCard | null} */
  #card = null; // null: far from the visible part

  /**
   * @param {ApiClient} api
   * @param {Session} session
   * @param {Omit<CardListener, 'onChanged'>} listener
   */
  constructor(api, session, listener) {
    this.#api = api;
    this.#session = session;
    this.#listener = { ...listener, onChanged: (changed) => this.update(changed) };
    this.#showFacts();
    // Rows that grow when they are filled would move the page under the user.
    if (!this.isActive && session.duration_seconds > 0) this.element.classList.add('tall');
    rows.set(this.element, this);
    visibility.observe(this.element);
  }

  get isActive() {
    return this.#session.status === 'active';
  }

  /** @param {Session} session */
  update(session) {
    this.#session = session;
    this.#card?.update(session);
  }

  /** @param {boolean} isSelected */
  showSelected(isSelected) {
    this.#isSelected = isSelected;
    this.#card?.showSelected(isSelected);
  }

  /** Remove the row. */
  dispose() {
    visibility.unobserve(this.element);
    this.#card?.dispose();
    this.element.remove();
  }

  /** Fill the row, which comes into view. */
  fill() {
    if (this.#card) return;
    this.element.classList.remove('tall');
    this.element.style.minHeight = '';
    this.#card = new RecordingCard(this.element, this.#api, this.#session, this.#listener);
    this.#card.showSelected(this.#isSelected);
  }

  /** Empty the row, which is out of view, unless it is in use. */
  empty() {
    if (!this.#card?.isIdle) return;
    this.element.style.minHeight = `${this.element.offsetHeight}px`;
    this.#card.dispose();
    this.#card = null;
    this.#showFacts();
  }

  #showFacts() {
    const session = this.#session;
    this.element.append(
      createElement('h3', { textContent: formatName(session) }),
      createElement('p', { className: 'facts', textContent: formatFacts(session) }),
    );
  }
}

/** @type {WeakMap<Element, RecordingRow>} */
const rows = new WeakMap();
const visibility = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const row = rows.get(target);
      if (isIntersecting) row?.fill();
      else row?.empty();
    }
  },
  { rootMargin: MARGIN },
);

/** @import { TimelineEvent } from './types.js' */

import { createElement, findParts } from './elements.js';
import { formatClock } from './format.js';

/** The marks, pauses and gaps below a waveform, as buttons that move the player there. */
export class TimelineList {
  #list;
  #onChosen;

  /**
   * @param {HTMLElement} root the card
   * @param {(seconds: number) => void} onChosen
   */
  constructor(root, onChosen) {
    this.#list = findParts(root, { timeline: HTMLElement }).timeline;
    this.#onChosen = onChosen;
  }

  /** @param {TimelineEvent[]} events */
  show(events) {
    this.#list.hidden = events.length === 0;
    this.#list.replaceChildren(...events.map((event) => this.#createItem(event)));
  }

  /** @param {TimelineEvent} event */
  #createItem({ seconds, kind, text }) {
    const button = createElement('button', { type: 'button' }, [
      createElement('span', { className: 'position', textContent: formatClock(seconds) }),
      document.createTextNode(' '),
      createElement('span', { textContent: text }),
    ]);
    button.addEventListener('click', () => this.#onChosen(seconds));
    const item = createElement('li', {}, [button]);
    item.dataset.kind = kind;
    return item;
  }
}

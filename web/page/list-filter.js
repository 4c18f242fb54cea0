import { findElement, findParts } from './elements.js';
import { startOfDay } from './format.js';

const TYPING_DELAY_MS = 300; // after the last key
const PART_TYPES = {
  text: HTMLInputElement,
  show: HTMLSelectElement,
  from: HTMLInputElement,
  to: HTMLInputElement,
  sort: HTMLSelectElement,
};

/** Which recordings the list shows, and in which order: the form above the list. */
export class ListFilter {
  #form;
  #parts;
  #clearButton = findElement(document, '#clear-search', HTMLButtonElement);
  #onChange;
  /** @type {number | undefined} */
  #timer;
  #query = '';

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#form = findElement(document, '#filter', HTMLFormElement);
    this.#parts = findParts(this.#form, PART_TYPES);
    this.#form.addEventListener('input', ({ target }) => {
      this.#applyAfter(target instanceof HTMLInputElement ? TYPING_DELAY_MS : 0);
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#applyAfter(0);
    });
    this.#clearButton.addEventListener('click', () => this.#clear());
    this.#query = this.#read();
  }

  /** The parameters of the list request, as in a URL. */
  get query() {
    return this.#query;
  }

  get isOldestFirst() {
    return this.#parts.sort.value === 'oldest';
  }

  /** Whether some recordings are left out. */
  get isActive() {
    const names = [...new URLSearchParams(this.#query).keys()];
    return names.some((name) => name !== 'sort');
  }

  /** @param {number} delayMs */
  #applyAfter(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#apply(), delayMs);
  }

  #apply() {
    const query = this.#read();
    if (query === this.#query) return;
    this.#query = query;
    this.#clearButton.hidden = !this.isActive;
    this.#onChange();
  }

  #clear() {
    const { text, sort } = this.#parts;
    const order = sort.value;
    this.#form.reset();
    sort.value = order;
    text.focus(); // the button is hidden now
    this.#applyAfter(0);
  }

  #read() {
    const { text, show, from, to, sort } = this.#parts;
    const [name, value] = show.value.split('=');
    const parameters = {
      q: text.value.trim(),
      [name]: value,
      from: from.value && startOfDay(from.value).toISOString(),
      to: to.value && startOfDay(to.value, 1).toISOString(), // the day itself is included
      sort: sort.value,
    };
    const given = Object.entries(parameters).filter(([, entry]) => entry);
    return new URLSearchParams(given).toString();
  }
}

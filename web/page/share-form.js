import { createElement } from './elements.js';
import { formatClock } from './format.js';
import { fill } from './localize.js';
import { texts } from './texts.js';

const SECONDS_PER_DAY = 86_400;
const DAYS = [1, 7, 30, 365];
const DEFAULT_DAYS = 7;
const CLOCK = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)$/;

/** The fields of a new shared link: its end, its part, its format. */
export class ShareForm {
  #days;
  #formats;
  #from;
  #to;

  /** @param {number} durationSeconds of the recording */
  constructor(durationSeconds) {
    const { share, recording } = texts;
    const { wav, mp3, flac, opus } = recording;
    const days = DAYS.map((count) => [String(count), fill(share.days, { count })]);
    const formats = Object.entries({ '': wav, mp3, flac, opus });
    this.#days = createSelect(days, String(DEFAULT_DAYS));
    this.#formats = createSelect(formats, '');
    const text = { type: 'text', inputMode: 'decimal', autocomplete: 'off' };
    this.#from = createElement('input', { ...text, placeholder: formatClock(0) });
    this.#to = createElement('input', { ...text, placeholder: formatClock(durationSeconds) });
  }

  get elements() {
    const { share } = texts;
    return [
      labelled(share.ends, this.#days),
      createElement('fieldset', {}, [
        createElement('legend', { textContent: share.part }),
        labelled(share.from, this.#from),
        labelled(share.to, this.#to),
      ]),
      labelled(share.format, this.#formats),
    ];
  }

  get lifetimeSeconds() {
    return Number(this.#days.value) * SECONDS_PER_DAY;
  }

  /** The format as a parameter of the service; none: the WAV as it is stored. */
  get format() {
    /** @type {Record<string, string>} */
    const parameters = this.#formats.value === '' ? {} : { format: this.#formats.value };
    return parameters;
  }

  /** The positions of the part, as the user wrote them. */
  get part() {
    return { start: this.#from.value.trim(), end: this.#to.value.trim() };
  }
}

/**
 * Return the part of the recording that is shared, in seconds; an empty field is no limit.
 *
 * @param {{ part: { start: string, end: string } }} form
 * @param {number} durationSeconds of the recording
 * @throws {Error} if a position is no position of the recording
 */
export function readPart({ part }, durationSeconds) {
  /** @type {{ start?: number, end?: number }} */
  const read = {};
  if (part.start !== '') read.start = toSeconds(part.start);
  if (part.end !== '') read.end = toSeconds(part.end);
  const { start = 0, end = durationSeconds } = read;
  // The fields show whole seconds: the last one may be the end.
  const isValid = start < end && start < durationSeconds && end <= Math.ceil(durationSeconds);
  if (isValid) return read.end === undefined ? read : { ...read, end: Math.min(end, durationSeconds) };
  const values = { duration: formatClock(durationSeconds) };
  throw new Error(fill(texts.share.wrongPart, values));
}

/**
 * Return the seconds of a position such as `1:02:03.5`; NaN if it is none.
 *
 * @param {string} clock
 */
function toSeconds(clock) {
  const found = CLOCK.exec(clock);
  if (!found) return NaN;
  const [, hours = '0', minutes = '0', seconds] = found;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/**
 * @param {string[][]} options values and texts
 * @param {string} chosen
 */
function createSelect(options, chosen) {
  const select = createElement('select');
  for (const [value, textContent] of options) {
    select.append(createElement('option', { value, textContent }));
  }
  select.value = chosen;
  return select;
}

/**
 * @param {string} text
 * @param {HTMLElement} field
 */
function labelled(text, field) {
  return createElement('label', {}, [createElement('span', { textContent: text }), field]);
}

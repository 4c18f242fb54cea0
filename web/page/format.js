/** Format numbers, durations and dates for the user. */

const DATE_TIME_FORMAT = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'medium',
});
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/**
 * Return seconds as `1:02:03`, optionally with tenths.
 *
 * @param {number} seconds
 */
export function formatClock(seconds, { tenths = false } = {}) {
  const wholeTenths = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
  const whole = Math.floor(wholeTenths / 10);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const secondDigits = padTwoDigits(whole % 60);
  const parts = hours ? [hours, padTwoDigits(minutes), secondDigits] : [minutes, secondDigits];
  return parts.join(':') + (tenths ? `.${wholeTenths % 10}` : '');
}

/**
 * Return seconds in words, for screen readers: `1 minute 2 seconds`.
 *
 * @param {number} seconds
 */
export function formatSpokenDuration(seconds) {
  const whole = Math.round(seconds);
  /** @type {[number, string][]} */
  const all = [
    [Math.floor(whole / 3600), 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ];
  const parts = all.filter(([count]) => count > 0);
  if (parts.length === 0) return '0 seconds';
  return parts.map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`).join(' ');
}

/**
 * Return bytes with a unit, in powers of ten.
 *
 * @param {number} bytes
 */
export function formatBytes(bytes) {
  let power = 0;
  while (bytes >= 1000 ** (power + 1) && power < UNITS.length - 1) power++;
  const value = bytes / 1000 ** power;
  return `${power > 1 && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}

/**
 * Return a date, in ISO 8601 if it is a text, in the user's time zone and language.
 *
 * @param {string | Date} date
 */
export function formatDateTime(date) {
  return DATE_TIME_FORMAT.format(new Date(date));
}

/**
 * Convert a peak from 0 to 1 to decibels below full scale.
 *
 * @param {number} peak
 */
export function toDecibels(peak) {
  return 20 * Math.log10(peak);
}

/** @param {number} number */
function padTwoDigits(number) {
  return String(number).padStart(2, '0');
}

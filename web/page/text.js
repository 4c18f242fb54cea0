/** Numbers and moments as people read them. */

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Seconds as `1:02:03`, with tenths where they are asked for. */
export function clock(seconds, { tenths = false } = {}) {
  const units = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
  const whole = Math.floor(units / 10);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const parts = hours ? [hours, pair(minutes), pair(whole % 60)] : [minutes, pair(whole % 60)];
  return parts.join(':') + (tenths ? `.${units % 10}` : '');
}

/** Seconds in words, for screen readers: `1 minute 2 seconds`. */
export function spoken(seconds) {
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 3600), 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ].filter(([count]) => count > 0);
  if (parts.length === 0) return '0 seconds';
  return parts.map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`).join(' ');
}

/** Bytes in powers of ten. */
export function size(bytes) {
  let power = 0;
  while (bytes >= 1000 ** (power + 1) && power < UNITS.length - 1) power++;
  const value = bytes / 1000 ** power;
  return `${power > 1 && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}

/** A moment that the service told, in the reader's own time and language. */
export function moment(text) {
  return MOMENT.format(new Date(text));
}

/** A peak from 0 to 1 in decibels below full scale. */
export function decibels(peak) {
  return 20 * Math.log10(peak);
}

function pair(number) {
  return String(number).padStart(2, '0');
}

/** @import { Session } from './types.js' */

/** Format numbers, durations and dates for the user. */

import { fill, LOCALE } from './localize.js';
import { texts } from './texts.js';

const DATE_TIME_FORMAT = new Intl.DateTimeFormat(LOCALE, {
  dateStyle: 'medium',
  timeStyle: 'medium',
});
const WHOLE_FORMAT = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const TENTHS_FORMAT = new Intl.NumberFormat(LOCALE, {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
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
  const { hours, minutes, seconds: inSeconds } = texts.durations;
  const parts = [
    { count: Math.floor(whole / 3600), text: hours },
    { count: Math.floor(whole / 60) % 60, text: minutes },
    { count: whole % 60, text: inSeconds },
  ].filter(({ count }) => count > 0);
  if (parts.length === 0) return fill(inSeconds, { count: 0 });
  return parts.map(({ count, text }) => fill(text, { count })).join(' ');
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
  const format = power > 1 && value < 100 ? TENTHS_FORMAT : WHOLE_FORMAT;
  return `${format.format(value)} ${UNITS[power]}`;
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
 * Return the title of a recording, or else its date.
 *
 * @param {{ title: string | null, created_at: string }} session
 */
export function formatName({ title, created_at: createdAt }) {
  return title ?? formatDateTime(createdAt);
}

/**
 * Return the facts of a recording in one line.
 *
 * @param {Session} session
 */
export function formatFacts(session) {
  const { title, duration_seconds: seconds, size_bytes: bytes, user_id: user } = session;
  const date = title === null ? null : formatDateTime(session.created_at); // else it is the name
  const { kind, mono, stereo } = texts.recording;
  const channels = session.channels === 1 ? mono : stereo;
  const format = fill(kind, { rate: session.sample_rate / 1000, channels });
  const facts = [date, formatClock(seconds), formatBytes(bytes), format, user];
  return facts.filter(Boolean).join(' · ');
}

/** @param {number} count */
export function formatCount(count) {
  return WHOLE_FORMAT.format(count);
}

/**
 * Return the beginning of a day, or of one some days later, in the user's time zone.
 *
 * @param {string} date in ISO 8601
 */
export function startOfDay(date, days = 0) {
  const [year, month, day] = date.split('-').map(Number);
  return new Date(year, month - 1, day + days);
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

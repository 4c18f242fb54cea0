/** @import { NewSession, Parameters } from '../sercuescribe.js' */
/** @import { Greeting } from './types.js' */

import { SessionError } from './errors.js';

/**
 * Return the WebSocket URL of an existing session, or of a new one with these parameters.
 *
 * @param {string} service
 * @param {string | null} sessionId
 * @param {boolean} isResuming
 * @param {NewSession} parameters
 */
export function socketUrl(service, sessionId, isResuming, parameters) {
  const url = new URL(service, globalThis.location?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/ws/audio`;
  if (sessionId !== null) {
    url.pathname += `/${sessionId}`;
    if (isResuming) url.searchParams.set('resume', 'true');
    return url;
  }
  const { userId: user_id, sampleRate: sample_rate, channels, format, title } = parameters;
  setQuery(url, { user_id, sample_rate, channels, format, title }, parameters.metadata);
  return url;
}

/**
 * Set the parameters of a URL that have a value, and those of metadata.
 *
 * @param {URL} url
 * @param {Record<string, unknown>} parameters
 * @param {Record<string, string>} metadata
 */
export function setQuery(url, parameters, metadata = {}) {
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
  }
  for (const [key, value] of Object.entries(metadata)) {
    url.searchParams.set(`metadata.${key}`, value);
  }
}

/**
 * Return the URL of the list of sessions, or of a path below it, such as `/{session_id}`.
 *
 * @param {string} service
 * @param {string} path
 */
export function sessionsUrl(service, path = '') {
  const url = new URL(service, globalThis.location?.href);
  url.protocol = url.protocol.replace('ws', 'http');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/audio/sessions${path}`;
  return url;
}

/**
 * Throw if raw audio has another rate or number of channels: it would play at another speed.
 *
 * @param {Parameters} parameters
 * @param {Greeting} greeting
 */
export function checkParameters({ format, sampleRate, channels }, greeting) {
  if (!format?.startsWith('pcm_')) return;
  if (sampleRate && sampleRate !== greeting.sample_rate) throw differError('sampleRate', greeting);
  if (channels && channels !== greeting.channels) throw differError('channels', greeting);
}

/**
 * @param {keyof Parameters} parameter
 * @param {Greeting} greeting
 */
function differError(parameter, greeting) {
  return new SessionError('parameters_differ', `the session has another ${parameter}`, greeting);
}

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
  for (const [name, value] of Object.entries({ user_id, sample_rate, channels, format, title })) {
    if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
  }
  for (const [key, value] of Object.entries(parameters.metadata ?? {})) {
    url.searchParams.set(`metadata.${key}`, value);
  }
  return url;
}

/**
 * Return the URL of the information about a session.
 *
 * @param {string} service
 * @param {string} sessionId
 */
export function infoUrl(service, sessionId) {
  const url = new URL(service, globalThis.location?.href);
  url.protocol = url.protocol.replace('ws', 'http');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/audio/sessions/${sessionId}`;
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

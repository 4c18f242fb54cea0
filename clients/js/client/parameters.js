import { SessionError } from './errors.js';

const OPTION_BY_QUERY_PARAMETER = {
  user_id: 'userId',
  sample_rate: 'sampleRate',
  channels: 'channels',
  format: 'format',
};

/** Return the WebSocket URL of an existing session, or of a new one with these parameters. */
export function socketUrl(service, sessionId, isResuming, parameters) {
  const url = new URL(service, globalThis.location?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/ws/audio`;
  if (sessionId !== null) {
    url.pathname += `/${sessionId}`;
    if (isResuming) url.searchParams.set('resume', 'true');
    return url;
  }
  for (const [name, option] of Object.entries(OPTION_BY_QUERY_PARAMETER)) {
    const value = parameters[option] ?? null;
    if (value !== null) url.searchParams.set(name, value);
  }
  return url;
}

/** Throw if raw audio has another rate or number of channels: it would play at another speed. */
export function checkParameters({ format, sampleRate, channels }, greeting) {
  if (!format?.startsWith('pcm_')) return;
  if (sampleRate && sampleRate !== greeting.sample_rate) throw differError('sampleRate', greeting);
  if (channels && channels !== greeting.channels) throw differError('channels', greeting);
}

function differError(parameter, greeting) {
  return new SessionError('parameters_differ', `the session has another ${parameter}`, greeting);
}

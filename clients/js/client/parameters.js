import { SessionError } from './errors.js';

const PARAMETERS = {
  user_id: 'userId',
  sample_rate: 'sampleRate',
  channels: 'channels',
  format: 'format',
};

/** Where to connect: to a new session with those parameters, or to one that exists. */
export function address(service, sessionId, isResuming, parameters) {
  const url = new URL(service, globalThis.location?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/ws/audio`;
  if (sessionId !== null) {
    url.pathname += `/${sessionId}`;
    if (isResuming) url.searchParams.set('resume', 'true');
    return url;
  }
  for (const [name, option] of Object.entries(PARAMETERS)) {
    const value = parameters[option] ?? null;
    if (value !== null) url.searchParams.set(name, value);
  }
  return url;
}

/** Raw audio in another rate than the session's would be heard at another pitch. Throws then. */
export function mustFit({ format, sampleRate, channels }, greeting) {
  if (!format?.startsWith('pcm_')) return;
  if (sampleRate && sampleRate !== greeting.sample_rate) throw differ('sampleRate', greeting);
  if (channels && channels !== greeting.channels) throw differ('channels', greeting);
}

function differ(parameter, greeting) {
  return new SessionError('parameters_differ', `the session has another ${parameter}`, greeting);
}

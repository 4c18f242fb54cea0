import { messageOf, nameOf } from './errors.js';
import { fill } from './localize.js';
import { texts } from './texts.js';

/** @import { RecorderSettings } from './types.js' */

/**
 * List the microphones in a `select`. Browsers reveal names only after the user allowed access.
 *
 * @param {HTMLSelectElement} select
 */
export async function listMicrophones(select) {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const { value } = select;
  const known = devices.filter(
    ({ kind, deviceId, label }) => kind === 'audioinput' && label && !isAlias(deviceId),
  );
  const options = known.map(({ deviceId, label }) => new Option(label, deviceId));
  select.replaceChildren(select.options[0], ...options);
  select.value = known.some(({ deviceId }) => deviceId === value) ? value : '';
}

/**
 * Open a microphone. By default, browsers process its sound.
 *
 * @param {Pick<RecorderSettings, 'device' | 'channels' | 'isProcessed'>} settings
 */
export async function openMicrophone({ device, channels, isProcessed }) {
  if (!navigator.mediaDevices) {
    throw new Error(texts.microphone.insecure);
  }
  const audio = {
    ...(device && { deviceId: { exact: device } }),
    channelCount: channels,
    echoCancellation: isProcessed,
    noiseSuppression: isProcessed,
    autoGainControl: isProcessed,
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    const otherMessage = fill(texts.microphone.failed, { message: messageOf(error) });
    throw new Error(MESSAGE_BY_ERROR_NAME[nameOf(error)] ?? otherMessage, { cause: error });
  }
}

/** @type {Record<string, string>} */
const MESSAGE_BY_ERROR_NAME = texts.microphone;

/**
 * Chromium lists the system's default devices a second time under these ids.
 *
 * @param {string} deviceId
 */
function isAlias(deviceId) {
  return deviceId === 'default' || deviceId === 'communications';
}

/** List the microphones in a `select`. Browsers give their names after the user allowed one. */
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

/** Open a microphone. By default, browsers process its sound. */
export async function openMicrophone({ device, channels, isProcessed }) {
  if (!navigator.mediaDevices) {
    throw new Error('Browsers give the microphone to pages of https, or of this computer, only.');
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
    const otherMessage = `The microphone cannot be used: ${error.message}`;
    throw new Error(MESSAGE_BY_ERROR_NAME[error.name] ?? otherMessage, { cause: error });
  }
}

const MESSAGE_BY_ERROR_NAME = {
  NotAllowedError: 'The browser does not let this page use the microphone. Its settings say why.',
  NotFoundError: 'There is no microphone.',
  NotReadableError: 'Another program uses the microphone.',
  OverconstrainedError: 'This microphone is not there any more.',
};

/** Chromium lists the system's default devices a second time under these ids. */
function isAlias(deviceId) {
  return deviceId === 'default' || deviceId === 'communications';
}

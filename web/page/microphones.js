/** Keep the list of microphones in a `select`: names are told once the user has allowed one. */
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

/** Ask for a microphone. Browsers change what it hears unless told not to. */
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
    throw new Error(REFUSALS[error.name] ?? `The microphone cannot be used: ${error.message}`, {
      cause: error,
    });
  }
}

const REFUSALS = {
  NotAllowedError: 'The browser does not let this page use the microphone. Its settings say why.',
  NotFoundError: 'There is no microphone.',
  NotReadableError: 'Another program uses the microphone.',
  OverconstrainedError: 'This microphone is not there any more.',
};

/** Chromium lists the system's choice a second and third time. */
function isAlias(deviceId) {
  return deviceId === 'default' || deviceId === 'communications';
}

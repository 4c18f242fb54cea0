/** @import { RecorderSettings } from './types.js' */

import { findElement } from './elements.js';
import { listMicrophones } from './microphones.js';
import { showError } from './notices.js';

/** The form of the recorder: microphone, quality, channels, processing. */
export class RecorderForm {
  #fields;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#fields = {
      device: findElement(form, '[name=device]', HTMLSelectElement),
      quality: findElement(form, '[name=quality]', HTMLSelectElement),
      channels: findElement(form, '[name=channels]', HTMLSelectElement),
      processed: findElement(form, '[name=processed]', HTMLInputElement),
    };
    navigator.mediaDevices?.addEventListener('devicechange', () => this.listMicrophones());
    this.listMicrophones();
  }

  /** List the microphones again: browsers reveal names only after the user allowed access. */
  listMicrophones() {
    listMicrophones(this.#fields.device).catch(showError);
  }

  /** @returns {RecorderSettings} */
  read() {
    const { device, quality, channels, processed } = this.#fields;
    return {
      device: device.value,
      isCompressed: quality.value === 'opus',
      channels: Number(channels.value),
      isProcessed: processed.checked,
    };
  }

  chooseCompressed() {
    this.#fields.quality.value = 'opus';
  }

  /** @param {boolean} isDisabled */
  setDisabled(isDisabled) {
    for (const field of Object.values(this.#fields)) field.disabled = isDisabled;
  }
}

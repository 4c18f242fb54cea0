import { findElement, findParts } from './elements.js';

/**
 * Ask before an action that cannot be undone; return whether the user confirmed it.
 *
 * @param {{ title: string, text: string, yes: string }} texts
 */
export async function confirmAction({ title, text, yes }) {
  const dialog = findElement(document, '#confirm', HTMLDialogElement);
  const types = { title: HTMLElement, text: HTMLElement, yes: HTMLButtonElement };
  const parts = findParts(dialog, types);
  parts.title.textContent = title;
  parts.text.textContent = text;
  parts.yes.textContent = yes;
  return (await showDialog(dialog)) === 'yes';
}

/**
 * Ask for a key or a token; return null if the user cancels.
 *
 * @param {string} text
 */
export async function promptForKey(text) {
  const dialog = findElement(document, '#sign-in', HTMLDialogElement);
  const key = findElement(dialog, '[name=key]', HTMLInputElement);
  findElement(dialog, '[data-part=text]', HTMLElement).textContent = text;
  key.value = '';
  const answer = await showDialog(dialog);
  return answer === 'yes' ? key.value.trim() : null;
}

/**
 * Show a dialog; settles with the value of the button that closed it.
 *
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>}
 */
function showDialog(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', function onClose() {
      if (dialog.open) return; // the delayed event of an earlier close: the dialog is open again
      dialog.removeEventListener('close', onClose);
      resolve(dialog.returnValue);
    });
  });
}

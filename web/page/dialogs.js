import { findParts } from './elements.js';

/** Ask before an action that cannot be undone; return whether the user confirmed it. */
export async function confirmAction({ title, text, yes }) {
  const dialog = document.getElementById('confirm');
  const parts = findParts(dialog);
  parts.title.textContent = title;
  parts.text.textContent = text;
  parts.yes.textContent = yes;
  return (await showDialog(dialog)) === 'yes';
}

/** Ask for a key or a token; return null if the user cancels. */
export async function promptForKey(text) {
  const dialog = document.getElementById('sign-in');
  const { elements } = dialog.querySelector('form');
  const key = /** @type {HTMLInputElement} */ (elements.namedItem('key'));
  findParts(dialog).text.textContent = text;
  key.value = '';
  const answer = await showDialog(dialog);
  return answer === 'yes' ? key.value.trim() : null;
}

/** Show a dialog; settles with the value of the button that closed it. */
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

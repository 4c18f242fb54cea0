import { partsOf } from './elements.js';

/** Ask before something that cannot be undone; gives whether to do it. */
export async function confirmed({ title, text, yes }) {
  const dialog = document.getElementById('confirm');
  const parts = partsOf(dialog);
  parts.title.textContent = title;
  parts.text.textContent = text;
  parts.yes.textContent = yes;
  return (await answer(dialog)) === 'yes';
}

/** Ask for a key or a token; null where there is none. */
export async function askForKey(text) {
  const dialog = document.getElementById('sign-in');
  const { key } = dialog.querySelector('form').elements;
  partsOf(dialog).text.textContent = text;
  key.value = '';
  const given = await answer(dialog);
  return given === 'yes' ? key.value.trim() : null;
}

function answer(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', function closed() {
      if (dialog.open) return; // that was its last time: the event comes later than the end
      dialog.removeEventListener('close', closed);
      resolve(dialog.returnValue);
    });
  });
}

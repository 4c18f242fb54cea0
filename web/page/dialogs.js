import { createElement, findElement } from './elements.js';
import { texts } from './texts.js';

/**
 * Ask before an action that cannot be undone; return whether the user confirmed it.
 *
 * @param {{ title: string, text: string, yes: string }} shown
 */
export async function confirmAction({ title, text, yes }) {
  const buttons = createElement('div', { className: 'buttons' }, [
    createElement('button', { value: '', textContent: texts.recording.cancel }),
    createElement('button', { value: 'yes', className: 'danger', textContent: yes }),
  ]);
  const { answer } = openDialog(title, [createElement('p', { textContent: text }), buttons]);
  return (await answer) === 'yes';
}

/**
 * Ask for a key or a token; return null if the user cancels.
 *
 * @param {string} text
 * @param {AbortSignal} signal closes the dialog
 */
export async function promptForKey(text, signal) {
  const key = createElement('input', {
    name: 'key',
    type: 'password',
    autocomplete: 'off',
    required: true,
    pattern: "[A-Za-z0-9!#$%&'*+.^_`\\|~\\-]+",
    title: texts.account.keyFormat,
  });
  const yes = { value: 'yes', className: 'primary', textContent: texts.account.continue };
  const no = { value: '', formNoValidate: true, textContent: texts.account.cancel };
  const { dialog, answer } = openDialog(texts.account.title, [
    createElement('p', { textContent: text }),
    createElement('label', { textContent: `${texts.account.key} ` }, [key]),
    createElement('p', { className: 'hint', textContent: texts.account.keyKept }),
    createElement('div', { className: 'buttons reversed' }, [
      createElement('button', yes),
      createElement('button', no),
    ]),
  ]);
  signal.addEventListener('abort', () => dialog.close(), { once: true });
  return (await answer) === 'yes' ? key.value.trim() : null;
}

/**
 * Show a modal dialog; `answer` settles with the value of the button that closed it.
 *
 * @param {string} title
 * @param {HTMLElement[]} content
 */
export function openDialog(title, content) {
  const heading = createElement('h2', { id: 'dialog-title', textContent: title });
  const form = createElement('form', { method: 'dialog' }, [heading, ...content]);
  const dialog = createElement('dialog', {}, [form]);
  dialog.setAttribute('aria-labelledby', heading.id);
  // A second dialog waits for its turn behind the first.
  for (const open of document.querySelectorAll('#dialog-title')) open.removeAttribute('id');
  findElement(document, 'main', HTMLElement).append(dialog);
  dialog.showModal();
  /** @type {Promise<string>} */
  const answer = new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
  return { dialog, answer };
}

/** The action of a notice that is only read. */
export const DISMISS = { Dismiss: () => {} };

/** The parts of an element, by their `data-part`. */
export function partsOf(root) {
  const found = [...root.querySelectorAll('[data-part]')];
  return Object.fromEntries(found.map((part) => [part.dataset.part, part]));
}

/** Change a text only where it differs: what did not change is not announced again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a line above everything, until the function is called that this gives. */
export function notice(text, { actions = {}, kind = 'info' } = {}) {
  const notices = document.getElementById('notices');
  // What fails over and over is said once.
  const shown = [...notices.children].find((other) => other.dataset.text === text);
  if (shown) return () => shown.remove();
  const line = document.createElement('p');
  line.dataset.text = text;
  line.className = `notice ${kind}`;
  line.append(Object.assign(document.createElement('span'), { textContent: text }));
  for (const [label, action] of Object.entries(actions)) {
    const button = Object.assign(document.createElement('button'), { textContent: label });
    button.type = 'button';
    button.addEventListener('click', () => {
      line.remove();
      action();
    });
    line.append(button);
  }
  notices.append(line);
  return () => line.remove();
}

/** Say what went wrong; it can be put away. */
export function complain(error) {
  notice(error.message || String(error), { kind: 'error', actions: DISMISS });
}

/** An event handler that says what went wrong. */
export function complaining(action) {
  return async (...given) => {
    try {
      await action(...given);
    } catch (error) {
      complain(error);
    }
  };
}

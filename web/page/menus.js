/** Close the open menus when the user clicks elsewhere or presses Escape. */
export function closeMenusOutside() {
  document.addEventListener('click', ({ target }) => {
    if (target instanceof Element) closeMenus(target.closest('.menu'));
  });
  document.addEventListener('keydown', ({ key }) => key === 'Escape' && closeMenus(null));
}

/** @param {Element | null} except */
function closeMenus(except) {
  /** @type {NodeListOf<HTMLDetailsElement>} */
  const open = document.querySelectorAll('.menu[open]');
  for (const menu of open) {
    if (menu !== except) menu.open = false;
  }
}

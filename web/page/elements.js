import { texts } from './texts.js';

/**
 * Return the element that a selector finds.
 *
 * @template {Element} Type
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => Type} type
 * @returns {Type}
 * @throws {TypeError} if there is no such element, or it has another type
 */
export function findElement(root, selector, type) {
  const found = root.querySelector(selector);
  if (found instanceof type) return found;
  throw new TypeError(`no ${type.name} matches ${selector}`);
}

/**
 * Return the parts of an element by their `data-part`.
 *
 * @template {Record<string, new () => Element>} Types
 * @param {ParentNode} root
 * @param {Types} types the type of each part
 */
export function findParts(root, types) {
  const parts = Object.entries(types).map(([name, type]) => [
    name,
    findElement(root, `[data-part=${name}]`, type),
  ]);
  return /** @type {{ [Name in keyof Types]: InstanceType<Types[Name]> }} */ (
    Object.fromEntries(parts)
  );
}

/**
 * Return a copy of the content of a template.
 *
 * @param {string} selector
 */
export function copyTemplate(selector) {
  const { content } = findElement(document, selector, HTMLTemplateElement);
  return document.importNode(content, true);
}

/**
 * Create an element with properties and children.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | boolean>} properties
 * @param {Node[]} children
 */
export function createElement(name, properties = {}, children = []) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/**
 * Return the context that draws on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function get2dContext(canvas) {
  const context = canvas.getContext('2d');
  if (context) return context;
  throw new Error(texts.errors.cannotDraw);
}

/**
 * Set a text if it differs: screen readers announce a text again when it is set.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

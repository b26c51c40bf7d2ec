import { printable } from '../src/protocol/printable.ts';

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Creates an element. Strings become text nodes and never markup, so that text of a model is only shown, with control
 * characters as escapes. An attribute
 * that is true is set to the empty string; one that is false or null is omitted.
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children.map((child) => (typeof child === 'string' ? printable(child) : child)));
  return made;
}

/** Replaces the content of an element by a text, with control characters as escapes. */
export function setText(made: Element, text: string): void {
  made.textContent = printable(text);
}

/** Creates an SVG element, as `element` does for HTML. */
export function drawing<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  made.append(...children.map((child) => (typeof child === 'string' ? printable(child) : child)));
  return made;
}

/** Attributes that users see or hear. The others are for the program, which compares them. */
const shownAttributes = /^(title|alt|placeholder|aria-(label|description|valuetext))$/;

function setAttributes(made: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null) continue;
    const text = value === true ? '' : String(value);
    made.setAttribute(name, shownAttributes.test(name) ? printable(text) : text);
  }
}

/** A section of the page with its heading. Use `missing` for a section without content. */
export function section(id: string, title: string, ...children: readonly (Node | string)[]): HTMLElement {
  return element(
    'section',
    { id, 'aria-labelledby': `${id}-title` },
    element('h2', { id: `${id}-title` }, title),
    ...children,
  );
}

export const missing = (sentence: string): HTMLElement => element('p', { class: 'missing' }, sentence);

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Creates an element. Strings become text nodes and never markup, so that text of a model is only shown. An attribute
 * that is true is set to the empty string; one that is false or null is omitted.
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/** Creates an SVG element, as `element` does for HTML. */
export function drawing<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

function setAttributes(made: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) made.setAttribute(name, value === true ? '' : String(value));
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

/** Small builders for elements. Text is always set as text, so nothing that comes from a file can become markup. */
type Child = Node | string | undefined;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An attribute of `true` is set empty, of `false` or `undefined` not at all. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return dressed(document.createElement(tag), attributes, children);
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return dressed(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function dressed<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function onClick<E extends HTMLElement>(element: E, listener: () => void): E {
  element.addEventListener('click', listener);
  return element;
}

/** 16 px line icons in the text's colour. */
const ICONS = {
  check: 'M3.5 8.5l3 3 6-7',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  tree: 'M3 2.5v10.5h4M3 6.5h4M9 4.5h4.5v4H9zM9 11h4.5v3H9z',
  file: 'M4 1.5h5l3.5 3.5v9.5H4zM9 1.5V5h3.5',
  warning: 'M8 2L1.5 13.5h13zM8 6.5v3.5M8 11.6v.6',
  play: 'M4.5 2.5v11l9-5.5z',
  terminal: 'M1.5 2.5h13v11h-13zM4 6l2.5 2L4 10M8 10.5h4',
  export: 'M8 10.5v-9M4.5 5L8 1.5 11.5 5M2.5 9.5v5h11v-5',
  again: 'M13.2 8a5.2 5.2 0 1 1-1.6-3.8M13.5 1.5v3.3h-3.3',
  map: 'M3 12.5L6.5 6l3 4L13 3.5M3 12.5h.01M6.5 6h.01M9.5 10h.01M13 3.5h.01',
  star: 'M8 1.8l1.9 4.1 4.4.5-3.3 3 .9 4.4L8 11.6l-3.9 2.2.9-4.4-3.3-3 4.4-.5z',
} as const;

export const icon = (name: keyof typeof ICONS): SVGSVGElement =>
  svg(
    'svg',
    { viewBox: '0 0 16 16', width: 16, height: 16, class: 'icon', 'aria-hidden': 'true' },
    svg('path', { d: ICONS[name] }),
  );

/** What a page shows in place of content: what is missing, and what makes it appear. */
export const emptyState = (title: string, hint?: string, ...more: readonly Child[]): HTMLElement =>
  h(
    'div',
    { class: 'empty', role: 'status' },
    h('p', { class: 'empty-title' }, title),
    hint === undefined ? undefined : h('p', { class: 'muted' }, hint),
    ...more,
  );

/**
 * Markup as data, so that one description of a picture becomes elements in the page and text in an exported report.
 * Text is always text: nothing that comes from a file can become markup.
 */
export interface Shape {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly children: readonly (Shape | string)[];
}

type Child = Shape | string | undefined;

/** Attributes and children that are undefined are left out. */
export function shape(
  tag: string,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: readonly Child[]
): Shape {
  return {
    tag,
    attributes: Object.fromEntries(
      Object.entries(attributes).filter(
        (entry): entry is [string, string | number] => entry[1] !== undefined,
      ),
    ),
    children: children.filter((child) => child !== undefined),
  };
}

/** Elements of HTML that have no end. */
const VOID = new Set(['br', 'col', 'hr', 'img', 'meta']);

export function markup({ tag, attributes, children }: Shape): string {
  const listed = Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join('');
  if (VOID.has(tag)) return `<${tag}${listed}>`;
  const inside = children
    .map((child) => (typeof child === 'string' ? escape(child) : markup(child)))
    .join('');
  return `<${tag}${listed}>${inside}</${tag}>`;
}

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (symbol) => `&#${symbol.charCodeAt(0)};`);
}

/** Pixels with at most two decimals. */
export const px = (value: number): number => Math.round(value * 100) / 100;

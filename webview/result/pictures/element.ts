import { svg } from '../../shared/dom.ts';
import type { Shape } from './shape.ts';

/** A picture in the page. */
export function element({ tag, attributes, children }: Shape): SVGElement {
  return svg(
    tag as keyof SVGElementTagNameMap,
    attributes,
    ...children.map((child) => (typeof child === 'string' ? child : element(child))),
  );
}

/** Shapes as loops see them. */

export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, length) => product * length, 1);

/** A shape around some of its axes, which lie side by side: so many times [within, inner] elements. */
export interface Split {
  readonly outer: number;
  readonly within: number;
  readonly inner: number;
}

/** Undefined where axes of another length than 1 lie between those chosen. */
export function splitAround(shape: readonly number[], chosen: readonly boolean[]): Split | undefined {
  // Axes of length 1 belong to whatever is beside them.
  const axes = shape.flatMap((length, axis) => (length === 1 ? [] : [{ length, chosen: chosen[axis]! }]));
  const first = axes.findIndex((axis) => axis.chosen);
  if (first < 0) return { outer: sizeOf(shape), within: 1, inner: 1 };
  const last = axes.findLastIndex((axis) => axis.chosen);
  if (axes.slice(first, last + 1).some((axis) => !axis.chosen)) return undefined;
  const size = (part: readonly { readonly length: number }[]): number =>
    sizeOf(part.map(({ length }) => length));
  return {
    outer: size(axes.slice(0, first)),
    within: size(axes.slice(first, last + 1)),
    inner: size(axes.slice(last + 1)),
  };
}

/** Matrices that make an axis longer or shorter, pixel centres at halves, as TensorFlow 2 resizes images. */

type Matrix = readonly (readonly number[])[];

/** Undefined for a kind that is not known. */
export function resamplingOf(kind: string): ((from: number, to: number) => Matrix) | undefined {
  switch (kind) {
    case 'nearest':
      return nearest;
    case 'bilinear':
      return bilinear;
    case 'bicubic':
      return bicubic;
    default:
      return undefined;
  }
}

const rowOf = (from: number, parts: readonly (readonly [number, number])[]): number[] => {
  const row = new Array<number>(from).fill(0);
  for (const [at, weight] of parts) row[Math.min(from - 1, Math.max(0, at))]! += weight;
  return row;
};

function nearest(from: number, to: number): Matrix {
  return Array.from({ length: to }, (_, i) => rowOf(from, [[Math.floor((i + 0.5) * (from / to)), 1]]));
}

function bilinear(from: number, to: number): Matrix {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, (i + 0.5) * (from / to) - 0.5);
    const low = Math.floor(at);
    return rowOf(from, [
      [low, 1 - (at - low)],
      [low + 1, at - low],
    ]);
  });
}

/** Keys's cubic with a = -0.5; what lies outside does not count, and the rest is scaled up. */
function bicubic(from: number, to: number): Matrix {
  return Array.from({ length: to }, (_, i) => {
    const at = (i + 0.5) * (from / to) - 0.5;
    const low = Math.floor(at);
    const parts = [-1, 0, 1, 2]
      .map((offset) => [low + offset, cubic(Math.abs(at - (low + offset)))] as const)
      .filter(([index]) => index >= 0 && index < from);
    const sum = parts.reduce((total, [, weight]) => total + weight, 0);
    return rowOf(
      from,
      parts.map(([index, weight]) => [index, weight / sum] as const),
    );
  });
}

function cubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

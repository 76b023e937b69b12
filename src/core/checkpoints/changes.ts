/** What is said of a checkpoint's numbers and of how two differ, and what follows from it. Needs no files: for views. */
import type { TensorInfo } from './types.ts';

/** Of the finite elements; NaN where there are none. */
export interface TensorStatistics {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Of the population: divided by n. */
  readonly std: number;
  readonly nan: number;
  readonly infinite: number;
}

/** How one tensor of `b` differs from its namesake in `a`. Places where either is not finite are only counted. */
export interface TensorChange {
  readonly name: string;
  /** Euclidean norms: of the tensor in `a`, in `b`, and of the difference. */
  readonly normA: number;
  readonly normB: number;
  readonly distance: number;
  /** Inner product of both. */
  readonly dot: number;
  /** Largest absolute change of one element. */
  readonly largest: number;
  readonly notFinite: number;
}

/** All tensors of a layer taken as one vector. */
export interface LayerChange extends Omit<TensorChange, 'name'> {
  readonly layer: string;
  /** Largest relative change first. */
  readonly tensors: readonly TensorChange[];
}

/** A tensor that is not the same in both headers. */
export type TensorDifference =
  | { readonly kind: 'only-a' | 'only-b'; readonly name: string; readonly tensor: TensorInfo }
  | { readonly kind: 'differs'; readonly name: string; readonly a: TensorInfo; readonly b: TensorInfo };

/** ||a - b|| / ||a||; 0 without any change, infinite where `a` is zero and `b` is not. */
export function relativeChange({ distance, normA }: Pick<TensorChange, 'distance' | 'normA'>): number {
  return distance === 0 ? 0 : distance / normA;
}

/** Of the angle between both, in [-1, 1]; NaN where one of them is zero. */
export function cosine({ dot, normA, normB }: Pick<TensorChange, 'dot' | 'normA' | 'normB'>): number {
  return Math.max(-1, Math.min(1, dot / normA / normB));
}

/** Where the headers differ, in `a`'s order and then those only in `b`. */
export function differencesBetween(
  a: readonly TensorInfo[],
  b: readonly TensorInfo[],
): readonly TensorDifference[] {
  const inB = new Map(b.map((tensor) => [tensor.name, tensor]));
  const inA = new Set(a.map(({ name }) => name));
  const differences = a.flatMap((tensor): TensorDifference[] => {
    const { name } = tensor;
    const other = inB.get(name);
    if (other === undefined) return [{ kind: 'only-a', name, tensor }];
    if (tensor.dtype === other.dtype && sameShape(tensor, other)) return [];
    return [{ kind: 'differs', name, a: tensor, b: other }];
  });
  for (const tensor of b) {
    if (!inA.has(tensor.name)) differences.push({ kind: 'only-b', name: tensor.name, tensor });
  }
  return differences;
}

export function sameShape(a: TensorInfo, b: TensorInfo): boolean {
  return a.shape.length === b.shape.length && a.shape.every((dimension, axis) => dimension === b.shape[axis]);
}

/**
 * The layer that a tensor belongs to: its name without the last part (`blocks.3.attn.weight` -> `blocks.3.attn`,
 * `conv1/kernel` -> `conv1`). A tensor without parts is a layer by itself.
 */
export function layerOf(name: string): string {
  const at = Math.max(name.lastIndexOf('.'), name.lastIndexOf('/'));
  return at <= 0 ? name : name.slice(0, at);
}

/** Largest relative change first, in both levels. */
export function changesByLayer(changes: readonly TensorChange[]): readonly LayerChange[] {
  const layers = new Map<string, TensorChange[]>();
  for (const change of changes) {
    const layer = layerOf(change.name);
    const known = layers.get(layer);
    if (known === undefined) layers.set(layer, [change]);
    else known.push(change);
  }
  return [...layers]
    .map(([layer, tensors]) => ({
      layer,
      tensors: tensors.toSorted(byRelativeChange),
      normA: together(tensors.map(({ normA }) => normA)),
      normB: together(tensors.map(({ normB }) => normB)),
      distance: together(tensors.map(({ distance }) => distance)),
      dot: tensors.reduce((sum, { dot }) => sum + dot, 0),
      largest: tensors.reduce((most, { largest }) => Math.max(most, largest), 0),
      notFinite: tensors.reduce((sum, { notFinite }) => sum + notFinite, 0),
    }))
    .sort(byRelativeChange);
}

/** The norm of vectors put one after another. */
const together = (norms: readonly number[]): number =>
  Math.sqrt(norms.reduce((sum, norm) => sum + norm * norm, 0));

function byRelativeChange(a: Omit<TensorChange, 'name'>, b: Omit<TensorChange, 'name'>): number {
  const [first, second] = [relativeChange(a), relativeChange(b)];
  // Two infinite ones have no difference.
  return first === second ? 0 : second - first;
}

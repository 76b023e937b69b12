/** Dividing the parameters, so that every block has coefficients of its own. */
import { TwaError } from '../errors.ts';
import type { Block, Granularity } from './types.ts';

/** A user's groups: a regular expression for names of tensors, and the group that they belong to. */
export type Groups = Readonly<Record<string, string>>;

/** Where no expression matches. */
const REST = 'rest';

/**
 * The blocks of a model, in the order their first tensors come; undefined for one block of everything. The first
 * expression that matches anywhere in a name decides. Throws `usage` for groups that are missing or no regular
 * expressions, and for groups that divide nothing.
 *
 * @param parameters trainable tensors with their numbers of elements
 */
export function divide(
  parameters: readonly { readonly name: string; readonly size: number }[],
  granularity: Granularity,
  groups: Groups = {},
): readonly Block[] | undefined {
  if (granularity === 'one') return undefined;
  const nameOf = granularity === 'tensor' ? (name: string) => name : grouper(groups);
  const blocks = new Map<string, { name: string; tensors: string[]; size: number }>();
  for (const { name: tensor, size } of parameters) {
    const name = nameOf(tensor);
    const block = blocks.get(name) ?? { name, tensors: [], size: 0 };
    block.tensors.push(tensor);
    block.size += size;
    blocks.set(name, block);
  }
  if (granularity === 'groups' && blocks.size === 1) {
    const [only] = blocks.keys();
    throw new TwaError(
      'usage',
      `The groups put every tensor into "${only!}": write expressions that match ${few(parameters)} differently.`,
    );
  }
  return [...blocks.values()];
}

function grouper(groups: Groups): (tensor: string) => string {
  const entries = Object.entries(groups).map(([expression, group]) => {
    try {
      return { pattern: new RegExp(expression, 'u'), group };
    } catch (error) {
      throw new TwaError('usage', `The group "${group}" has no regular expression: ${String(error)}.`, {
        cause: error,
      });
    }
  });
  if (entries.length === 0) {
    throw new TwaError('usage', 'Coefficients per group need groups: name them in the task file ("groups").');
  }
  return (tensor) => entries.find(({ pattern }) => pattern.test(tensor))?.group ?? REST;
}

function few(parameters: readonly { readonly name: string }[]): string {
  const names = parameters.slice(0, 3).map(({ name }) => name);
  return parameters.length > 3 ? `${names.join(', ')}, ...` : names.join(', ');
}

/** The n coefficients of one block, in a vector as {@link Objective.blocks} says. Not a copy. */
export function ofBlock(coefficients: Float64Array, n: number, block: number): Float64Array {
  return coefficients.length === n ? coefficients : coefficients.subarray(block * n, (block + 1) * n);
}

/** The average of the blocks' coefficients, weighted by size, [n]; the coefficients themselves without blocks. */
export function overallCoefficients(
  coefficients: Float64Array,
  n: number,
  blocks: readonly Block[] = [],
): Float64Array {
  if (coefficients.length === n) return coefficients;
  const total = blocks.reduce((sum, { size }) => sum + size, 0);
  return Float64Array.from({ length: n }, (_, i) =>
    blocks.reduce((sum, { size }, b) => sum + (size / total) * coefficients[b * n + i]!, 0),
  );
}

/** The same n coefficients for each of `count` blocks. */
export function repeated(coefficients: Float64Array, count: number): Float64Array {
  const all = new Float64Array(coefficients.length * count);
  for (let block = 0; block < count; block++) all.set(coefficients, block * coefficients.length);
  return all;
}

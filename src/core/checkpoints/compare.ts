/** Which checkpoints can be averaged with one another. */
import { basename, dirname, relative } from 'node:path';

import { TwaError } from '../errors.ts';
import type { CheckpointHeader, TensorInfo } from './types.ts';

/** A checkpoint that cannot be averaged with the newest. */
export interface Mismatch {
  readonly header: CheckpointHeader;
  /** One sentence each, at least one. */
  readonly differences: readonly string[];
}

/**
 * The checkpoints that do not hold the same tensors as the last one (the newest, whose structure an average takes):
 * names, shapes, dtypes and ties are compared.
 */
export function mismatches(headers: readonly CheckpointHeader[]): readonly Mismatch[] {
  const reference = headers.at(-1);
  if (reference === undefined) return [];
  const expected = new Map(reference.tensors.map((tensor) => [tensor.name, tensor]));
  return headers.flatMap((header) => {
    const differences = differencesOf(header, reference, expected);
    return differences.length === 0 ? [] : [{ header, differences }];
  });
}

/**
 * Checks that there are no {@link mismatches}.
 * @throws TwaError `mismatch` with every difference in `details`, one sentence each.
 */
export function requireSameArchitecture(headers: readonly CheckpointHeader[]): void {
  const reference = headers.at(-1);
  if (reference === undefined) throw new TwaError('usage', 'No checkpoint was given.');
  const found = mismatches(headers);
  if (found.length === 0) return;
  const first = found[0]!.header;
  const others = found.length - 1;
  const details = found.flatMap(({ header, differences }) =>
    differences.map((difference) => `${nameOf(header, reference)}: ${difference}`),
  );
  throw new TwaError(
    'mismatch',
    `${nameOf(first, reference)}${others > 0 ? ` and ${others} more` : ''} cannot be averaged with ` +
      `${nameOf(reference, first)}: ${details.length} ${details.length === 1 ? 'difference' : 'differences'}, ` +
      `the first: ${details[0]!} Choose checkpoints of one model.`,
    { place: { path: first.path }, details },
  );
}

function differencesOf(
  header: CheckpointHeader,
  reference: CheckpointHeader,
  expected: ReadonlyMap<string, TensorInfo>,
): string[] {
  const differences: string[] = [];
  if (header.format !== reference.format) {
    differences.push(`its format is ${header.format}, not ${reference.format}.`);
  }
  const seen = new Set<string>();
  for (const tensor of header.tensors) {
    seen.add(tensor.name);
    const other = expected.get(tensor.name);
    if (other === undefined) {
      differences.push(
        `it has a tensor ${tensor.name} ${describe(tensor)} that ${basename(reference.path)} has not.`,
      );
    } else if (describe(tensor) !== describe(other)) {
      differences.push(`${tensor.name} is ${describe(tensor)}, not ${describe(other)}.`);
    }
  }
  for (const tensor of reference.tensors) {
    if (!seen.has(tensor.name)) differences.push(`it has no tensor ${tensor.name} ${describe(tensor)}.`);
  }
  return differences;
}

function describe(tensor: TensorInfo): string {
  const tied = tensor.aliasOf === undefined ? '' : ` tied to ${tensor.aliasOf}`;
  return `${tensor.dtype} [${tensor.shape.join(', ')}]${tied}`;
}

/** The base name, or, where two checkpoints share it, the path relative to the other's directory. */
function nameOf(header: CheckpointHeader, other: CheckpointHeader): string {
  const name = basename(header.path);
  if (name !== basename(other.path) || header.path === other.path) return name;
  return relative(dirname(dirname(other.path)), header.path) || header.path;
}

/** Which checkpoints can be averaged with one another. */
import { basename, dirname, relative } from 'node:path';

import { TwaError } from '../errors.ts';
import type { CheckpointHeader, TensorInfo } from './types.ts';

/**
 * Checks that all checkpoints hold the same tensors: names, shapes, dtypes and ties, all compared with the last one
 * (the newest, whose structure an average takes).
 * @throws TwaError `mismatch` with every difference in `details`, one sentence each.
 */
export function requireSameArchitecture(headers: readonly CheckpointHeader[]): void {
  const reference = headers.at(-1);
  if (reference === undefined) throw new TwaError('usage', 'No checkpoint was given.');
  const expected = new Map(reference.tensors.map((tensor) => [tensor.name, tensor]));
  const differing = new Set<string>();
  const details: string[] = [];
  for (const header of headers) {
    const differences = differencesOf(header, reference, expected);
    if (differences.length > 0) differing.add(header.path);
    for (const difference of differences) details.push(`${nameOf(header, reference)}: ${difference}`);
  }
  if (details.length === 0) return;
  const first = headers.find((header) => differing.has(header.path))!;
  const others = differing.size - 1;
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

/** How the checkpoints are kept in memory: as asked, or the most exact way that fits. */
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { MemoryMode } from '../protocol.ts';
import { BLOCK_BYTES } from './kept-rows.ts';
import { KeptStack, type KeptMode } from './kept-stack.ts';
import { elementsOf, loadStack, type LoadHooks, type Stack } from './stack.ts';

/** Of the memory that is free, what the stack may take: the rest is for activations and gradients. */
const SHARE = 0.6;
const MODES = ['f32', 'bf16', 'int8', 'files'] as const;
type Mode = (typeof MODES)[number];

/** Bytes for every number of the model, of n checkpoints and their mean. */
const BYTES: Readonly<Record<Mode, (n: number) => number>> = {
  f32: (n) => 4 * (n + 1),
  bf16: (n) => 4 + 2 * n,
  int8: (n) => 4 + n,
  files: () => 0,
};

export interface OpenStack {
  readonly stack: Stack;
  readonly mode: Mode;
  /** "the most exact that fits 60 % of 3.2 GB". */
  readonly why: string;
}

/** @param available Bytes of memory that are free. */
export async function openStack(
  headers: readonly CheckpointHeader[],
  names: readonly string[],
  asked: MemoryMode,
  hooks: LoadHooks = {},
  available = process.availableMemory(),
): Promise<OpenStack> {
  const chosen = chooseMode(headers, names, asked, available);
  const stack =
    chosen.mode === 'f32'
      ? await loadStack(headers, names, hooks)
      : await KeptStack.open(headers, names, chosen.mode satisfies KeptMode, hooks);
  return { stack, ...chosen };
}

function chooseMode(
  headers: readonly CheckpointHeader[],
  names: readonly string[],
  asked: MemoryMode,
  available: number,
): { readonly mode: Mode; readonly why: string } {
  const wanted = new Set(names);
  const n = headers.length;
  const numbers = headers[0]!.tensors
    .filter(({ name }) => wanted.has(name))
    .reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  const needed = (mode: Mode): number =>
    numbers * BYTES[mode](n) + (mode === 'f32' ? 0 : Math.min(BLOCK_BYTES, 4 * (n + 1) * numbers));
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(2)} GB`;
  if (asked === 'auto') {
    const mode = MODES.find((each) => needed(each) <= SHARE * available) ?? 'files';
    return { mode, why: `the most exact that fits ${100 * SHARE} % of ${gigabytes(available)}` };
  }
  if (asked === 'sharded') {
    throw new TwaError(
      'unsupported',
      `Memory mode "sharded" divides checkpoints over the processes of engine pytorch: for engine tfjs choose one of ${MODES.join(', ')}.`,
    );
  }
  // There is no other memory than the host's.
  const mode = asked === 'host' ? 'f32' : asked;
  if (needed(mode) > available) {
    const smaller = MODES.slice(MODES.indexOf(mode) + 1).find((each) => needed(each) <= available) ?? 'files';
    throw new TwaError(
      'unsupported',
      `Keeping ${n} checkpoints as ${mode} takes ${gigabytes(needed(mode))} of memory and ${gigabytes(available)} are free: ` +
        `choose --memory ${smaller} or auto, or fewer checkpoints.`,
    );
  }
  return { mode, why: 'as asked' };
}

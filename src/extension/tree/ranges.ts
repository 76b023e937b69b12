/** "12-40", "-5, 30-": which checkpoints a user means by numbers. No VS Code here. */
import type { CheckpointEntry } from '../../core/runs/types.ts';

/** What the numbers count: what all checkpoints know of themselves, else their place in the run, from 1. */
export type RangeUnit = 'epoch' | 'step' | 'position';

export function rangeUnit(entries: readonly CheckpointEntry[]): RangeUnit {
  if (entries.every(({ epoch }) => epoch !== undefined)) return 'epoch';
  return entries.every(({ step }) => step !== undefined) ? 'step' : 'position';
}

/** The number of an entry in the unit of {@link rangeUnit}. */
function numbersOf(entries: readonly CheckpointEntry[]): readonly number[] {
  const unit = rangeUnit(entries);
  return entries.map((entry, i) => (unit === 'position' ? i + 1 : entry[unit]!));
}

/** The whole range, as a user would write it. */
export function wholeRange(entries: readonly CheckpointEntry[]): string {
  const numbers = numbersOf(entries);
  return `${Math.min(...numbers)}-${Math.max(...numbers)}`;
}

/** In training order; undefined where the text is no list of ranges. */
export function inRanges(
  entries: readonly CheckpointEntry[],
  text: string,
): readonly CheckpointEntry[] | undefined {
  const ranges = text.split(',').map((part) => {
    const single = /^\s*(\d+(?:\.\d+)?)\s*$/.exec(part);
    if (single !== null) return { from: Number(single[1]), to: Number(single[1]) };
    const [, from, to] = /^\s*(\d+(?:\.\d+)?)?\s*(?:-|–|\.\.|:)\s*(\d+(?:\.\d+)?)?\s*$/.exec(part) ?? [];
    if (from === undefined && to === undefined) return undefined;
    return { from: Number(from ?? -Infinity), to: Number(to ?? Infinity) };
  });
  if (ranges.includes(undefined)) return undefined;
  const numbers = numbersOf(entries);
  return entries.filter((_, i) =>
    ranges.some((range) => range !== undefined && numbers[i]! >= range.from && numbers[i]! <= range.to),
  );
}

/** Every k-th, counted back from the newest, which is always one of them. */
export function everyKth(entries: readonly CheckpointEntry[], k: number): readonly CheckpointEntry[] {
  return entries.filter((_, i) => (entries.length - 1 - i) % k === 0);
}

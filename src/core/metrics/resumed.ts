/**
 * A training that was stopped and resumed begins a new event file in the same directory. Its files, in the order of
 * their names (which begin with the time they were begun at), are one log, as TensorBoard reads them: one series per
 * tag, and where a later file says from which step on it starts anew, what the earlier ones have from there is void.
 */
import { basename } from 'node:path';
import { joined, withoutVoid } from './series.ts';
import type { Series } from './types.ts';

export interface PartOfLog {
  readonly path: string;
  readonly series: readonly Series[];
  /** See `MetricsUpdate`: the least of the file. */
  readonly voidFrom?: number;
}

interface Part {
  readonly series: Series;
  /** Its points from here on are void. */
  readonly end: number;
}

/** One log's files joined. The source of a series is the first file that has its tag. */
export function joinResumed(files: readonly PartOfLog[]): Series[] {
  const inOrder = files.toSorted((a, b) => (basename(a.path) < basename(b.path) ? -1 : 1));
  const tags = new Map<string, Part[]>();
  for (const [i, { series }] of inOrder.entries()) {
    const end = Math.min(...inOrder.slice(i + 1).map(({ voidFrom }) => voidFrom ?? Infinity));
    for (const one of series) tags.set(one.tag, [...(tags.get(one.tag) ?? []), { series: one, end }]);
  }
  return [...tags.values()].flatMap(joinParts);
}

/** By first part. A series never changes, so the same parts give the same: whoever compares sees that nothing did. */
const known = new WeakMap<Series, { readonly parts: readonly Part[]; readonly whole: readonly Series[] }>();

/** None where all points are void. */
function joinParts(parts: readonly Part[]): readonly Series[] {
  const first = parts[0]!.series;
  const before = known.get(first);
  if (
    before?.parts.length === parts.length &&
    before.parts.every(({ series, end }, i) => series === parts[i]!.series && end === parts[i]!.end)
  ) {
    return before.whole;
  }
  const kept = parts.flatMap(({ series, end }) => withoutVoid([series], end));
  const whole = kept.length === 0 ? [] : [kept.reduce(joined)];
  known.set(first, { parts, whole });
  return whole;
}

/**
 * What a person who watches a curve would say of it: it is not finite, it diverges, it no longer improves.
 *
 * A series is judged by the medians of {@link BLOCKS} equal stretches of it (at least three points each), so one spike
 * is no event, and by its own noise: the median step between neighbours, scaled to a standard deviation (for
 * independent normal noise, median |difference| = 0.6745 * sqrt(2) * sigma).
 */
import type { Series } from '../metrics/types.ts';
import { defaultMetric, metricGoal, namesMetric } from './goals.ts';
import type { Goal, Run } from './types.ts';

export type Finding = NotFinite | Diverging | Plateau;

interface About {
  readonly tag: string;
  readonly source: string;
}

/** NaN or infinities among the values of a loss or a score. */
export interface NotFinite extends About {
  readonly kind: 'not-finite';
  readonly count: number;
  readonly points: number;
  readonly firstStep: number;
  /** The last value is one: the model is lost, where the others may have been skipped steps. */
  readonly isLast: boolean;
}

/** It lost more than half of what it had gained, or of its best value, and not for a moment. */
export interface Diverging extends About {
  readonly kind: 'diverging';
  /** Medians of the best stretch and of the newest one. */
  readonly best: number;
  readonly bestStep: number;
  readonly now: number;
}

/** Nothing since `sinceStep` was better than the noise explains, for a third of the series or more. */
export interface Plateau extends About {
  readonly kind: 'plateau';
  readonly sinceStep: number;
  readonly value: number;
}

const BLOCKS = 20;
const FEWEST_IN_BLOCK = 3;
/** Fewer blocks than this show no course. */
const FEWEST_BLOCKS = 4;
const FEWEST_BLOCKS_FOR_PLATEAU = 7;
/** Of a stretch at most so many points are looked at, evenly: a million points cost no more than a thousand. */
const MOST_IN_BLOCK = 63;
const PLATEAU_SHARE = 1 / 3;

interface Block {
  /** Median, lower is better. */
  readonly level: number;
  readonly step: number;
}

const judged = new WeakMap<Series, readonly Finding[]>();

/**
 * Of the run's losses and scores; whether it is on a plateau is only asked of the metric that stands for the run.
 * In the order of the series. Results are kept per series, which never change.
 */
export function healthOf(run: Run): readonly Finding[] {
  const main = defaultMetric(run)?.tag;
  return run.series
    .filter(({ tag }) => namesMetric(tag))
    .flatMap((series) => judge(series).filter(({ kind, tag }) => kind !== 'plateau' || tag === main));
}

export function judge(series: Series): readonly Finding[] {
  const known = judged.get(series);
  if (known !== undefined) return known;
  const findings = [...notFinite(series), ...course(series, metricGoal(series.tag))];
  judged.set(series, findings);
  return findings;
}

function notFinite({ tag, source, values, steps }: Series): NotFinite[] {
  let count = 0;
  let first = -1;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    count += 1;
    if (first === -1) first = i;
  }
  if (count === 0) return [];
  const isLast = !Number.isFinite(values.at(-1));
  return [
    { kind: 'not-finite', tag, source, count, points: values.length, firstStep: steps[first]!, isLast },
  ];
}

function course({ tag, source, values, steps }: Series, goal: Goal): (Diverging | Plateau)[] {
  const sign = goal === 'minimize' ? 1 : -1;
  const size = Math.max(FEWEST_IN_BLOCK, Math.ceil(values.length / BLOCKS));
  const { blocks, noise } = blocksOf(values, steps, size, sign);
  const first = blocks[0];
  const last = blocks.at(-1);
  if (first === undefined || last === undefined || blocks.length < FEWEST_BLOCKS) return [];
  const best = blocks.reduce((least, block) => (block.level < least.level ? block : least));
  const gain = first.level - best.level;
  const loss = last.level - best.level;
  if (loss > 6 * noise && loss > 0.5 * Math.max(gain, Math.abs(best.level))) {
    const { level, step } = best;
    return [{ kind: 'diverging', tag, source, best: sign * level, bestStep: step, now: sign * last.level }];
  }
  if (blocks.length < FEWEST_BLOCKS_FOR_PLATEAU) return [];
  // The median of n values has a standard deviation of 1.25 sigma / sqrt(n).
  const within = Math.max((3 * 1.25 * noise) / Math.sqrt(Math.min(size, MOST_IN_BLOCK)), 0.01 * gain);
  const reached = blocks.findIndex(({ level }) => level <= best.level + within);
  if (blocks.length - 1 - reached < PLATEAU_SHARE * blocks.length) return [];
  const { step, level } = blocks[reached]!;
  return [{ kind: 'plateau', tag, source, sinceStep: step, value: sign * level }];
}

/** Blocks are cut from the end, so that the newest is whole; values that are not finite are left out. */
function blocksOf(
  values: readonly number[],
  steps: readonly number[],
  size: number,
  sign: 1 | -1,
): { readonly blocks: readonly Block[]; readonly noise: number } {
  const blocks: Block[] = [];
  const jumps: number[] = [];
  for (let end = values.length; end >= size; end -= size) {
    const from = end - size;
    const stride = Math.max(1, Math.ceil(size / MOST_IN_BLOCK));
    const inBlock: number[] = [];
    for (let i = from; i < end; i += stride) {
      const value = values[i]!;
      if (!Number.isFinite(value)) continue;
      inBlock.push(sign * value);
      const next = values[i + 1];
      if (next !== undefined && Number.isFinite(next)) jumps.push(Math.abs(next - value));
    }
    if (inBlock.length > 0) blocks.push({ level: median(inBlock), step: steps[from]! });
  }
  return { blocks: blocks.reverse(), noise: jumps.length === 0 ? 0 : median(jumps) / (0.6745 * Math.SQRT2) };
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

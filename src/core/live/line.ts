/** What one pass of "Keep Averaged" came to: a line of `averages/twa-live.jsonl` in the run. */
import {
  asArray,
  asBoolean,
  asMeasured,
  asNumber,
  asObject,
  asOneOf,
  asString,
  NarrowError,
  type Narrow,
} from '../averaging/narrow.ts';
import { RULES } from '../averaging/methods.ts';
import type { Interval, TwaRule } from '../averaging/types.ts';
import type { Goal } from '../runs/types.ts';

/** On the stop split. */
export interface LiveScore {
  readonly metric: number;
  readonly loss: number;
}

/** A checkpoint of another run, measured on the same examples by the same task. */
export interface LiveReference extends LiveScore {
  /** Absolute path. */
  readonly path: string;
  /** The average minus it, of the metric: the paired bootstrap over the examples, 95 %. */
  readonly difference: { readonly difference: number } & Interval;
  /** Whether the average is worse by more than one standard error, in the metric or in the loss. */
  readonly isWorse: boolean;
}

/** What a pass measures. All numbers are of the stop split, which also chose the epoch of the fit. */
export interface LiveResult extends LiveScore {
  /** `uniform` where the task has no gradients. */
  readonly method: 'twa' | 'uniform';
  readonly rule?: TwaRule;
  readonly name: string;
  readonly goal: Goal;
  readonly metricInterval: Interval;
  readonly lossInterval: Interval;
  /** Of the stop split. */
  readonly examples: number;
  /** Oldest checkpoint first. */
  readonly coefficients: readonly number[];
  /** The newest checkpoint by itself. */
  readonly newest: LiveScore;
  readonly reference?: LiveReference;
}

export interface LiveLine extends LiveResult {
  readonly version: 1;
  /** When it was measured, ISO 8601. */
  readonly time: string;
  /** Where the newest checkpoint stands on the run's curves. */
  readonly step?: number;
  readonly epoch?: number;
  /** What went in, oldest first, relative to the run's directory. */
  readonly checkpoints: readonly string[];
  /** Of the oldest and the newest of them. */
  readonly epochs?: readonly [number, number];
  readonly steps?: readonly [number, number];
  /** Absolute path of the twa.json. */
  readonly task: string;
  readonly seed: number;
}

const asInterval: Narrow<Interval> = asObject((members) => ({
  low: members.get('low', asMeasured),
  high: members.get('high', asMeasured),
}));

const asScore: Narrow<LiveScore> = asObject((members) => ({
  metric: members.get('metric', asMeasured),
  loss: members.get('loss', asMeasured),
}));

const asReference: Narrow<LiveReference> = asObject((members) => ({
  path: members.get('path', asString),
  metric: members.get('metric', asMeasured),
  loss: members.get('loss', asMeasured),
  difference: members.get(
    'difference',
    asObject((inner) => ({
      difference: inner.get('difference', asMeasured),
      low: inner.get('low', asMeasured),
      high: inner.get('high', asMeasured),
    })),
  ),
  isWorse: members.get('isWorse', asBoolean),
}));

const asRange: Narrow<readonly [number, number]> = (value, at) => {
  const [from, to, more] = asArray(asNumber)(value, at);
  if (from === undefined || to === undefined || more !== undefined)
    throw new NarrowError(at, 'two numbers', value);
  return [from, to];
};

const asLine: Narrow<LiveLine> = asObject((members) => ({
  version: members.get('version', (value, at) => {
    if (value !== 1) throw new NarrowError(at, '1', value);
    return value;
  }),
  time: members.get('time', asString),
  ...members.maybe('step', asNumber),
  ...members.maybe('epoch', asNumber),
  checkpoints: members.get('checkpoints', asArray(asString)),
  ...members.maybe('epochs', asRange),
  ...members.maybe('steps', asRange),
  task: members.get('task', asString),
  seed: members.get('seed', asNumber),
  method: members.get('method', asOneOf('twa', 'uniform')),
  ...members.maybe('rule', asOneOf<TwaRule>(...RULES)),
  name: members.get('name', asString),
  goal: members.get('goal', asOneOf<Goal>('minimize', 'maximize')),
  metric: members.get('metric', asMeasured),
  metricInterval: members.get('metricInterval', asInterval),
  loss: members.get('loss', asMeasured),
  lossInterval: members.get('lossInterval', asInterval),
  examples: members.get('examples', asNumber),
  coefficients: members.get('coefficients', asArray(asNumber)),
  newest: members.get('newest', asScore),
  ...members.maybe('reference', asReference),
}));

/** @throws NarrowError or SyntaxError with what is wrong. */
export function parseLine(text: string): LiveLine {
  return asLine(JSON.parse(text), '');
}

/**
 * What the column or key names of a metrics log mean. Names are compared trimmed and in lower case; the first name
 * of a list wins where a row has several (`global_step` counts optimizer steps where `step` may count batches).
 */
const AXES = {
  step: ['global_step', 'step', '_step', 'trainer/global_step', 'train/global_step', 'iteration', 'iter'],
  epoch: ['epoch', 'train/epoch', 'trainer/epoch'],
  time: ['wall_time', 'timestamp', '_timestamp', 'time', 'datetime', 'date'],
  /** Text that says which data a row is about: `{"split": "val", "loss": 0.3}` is the series `val/loss`. */
  split: ['split', 'phase', 'mode', 'stage', 'subset'],
} as const;

export type Axis = keyof typeof AXES;

export interface AxisName {
  readonly axis: Axis;
  /** Lower wins. */
  readonly rank: number;
}

const AXIS_BY_NAME: ReadonlyMap<string, AxisName> = new Map(
  (Object.keys(AXES) as Axis[]).flatMap((axis) => AXES[axis].map((name, rank) => [name, { axis, rank }])),
);

export function axisOf(name: string): AxisName | undefined {
  return AXIS_BY_NAME.get(name.trim().toLowerCase());
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const NAMED: ReadonlyMap<string, number> = new Map([
  ['nan', NaN],
  ['inf', Infinity],
  ['infinity', Infinity],
]);

/** A number as Python, JavaScript and C print it, with NaN and infinities; undefined for anything else. */
export function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) return Number(trimmed);
  const negative = trimmed.startsWith('-');
  const named = NAMED.get(trimmed.replace(/^[+-]/, '').toLowerCase());
  return named === undefined ? undefined : negative ? -named : named;
}

/** 1973 as seconds since 1970: anything smaller is a duration (ultralytics' `time`), not a date. */
const FIRST_SECOND = 1e8;
/** 1973 as milliseconds, or the year 5138 as seconds. */
const FIRST_MILLISECOND = 1e11;

/** Milliseconds since 1970 from seconds, milliseconds or an ISO date; NaN for anything else. */
export function parseWallTime(value: number | string): number {
  if (typeof value === 'number') {
    if (!(value >= FIRST_SECOND)) return NaN;
    return value >= FIRST_MILLISECOND ? value : value * 1000;
  }
  return /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN;
}

/** Words that name a metrics log. Datasets are CSV and JSONL files too: only these are taken unasked. */
const LOG_WORDS = new Set(
  'metric metrics log logs history result results progress scalars loss losses curve curves stats'.split(' '),
);

/** Whether a file name without its extension says "metrics log": `train_log`, `metrics`, `results-2`. */
export function namesLog(stem: string): boolean {
  const words = stem
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
  return words.some((word) => LOG_WORDS.has(word));
}

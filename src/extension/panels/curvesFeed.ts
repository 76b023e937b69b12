import type { Series } from '../../core/metrics/types.ts';
import type { CheckpointEntry } from '../../core/runs/types.ts';
import type {
  AverageMark,
  CheckpointMark,
  CurvesRun,
  RunChoice,
  SeriesPart,
  ToCurves,
} from '../../../webview/protocol.ts';

/** Everything a curves page shows, before it is cut into messages. */
export interface CurvesView {
  readonly scanning: boolean;
  readonly runs: readonly RunChoice[];
  /** Null follows the newest run. */
  readonly wanted: string | null;
  readonly run:
    | (RunChoice & {
        readonly series: readonly Series[];
        readonly checkpoints: readonly CheckpointMark[];
        readonly averages: readonly AverageMark[];
      })
    | undefined;
}

interface SentSeries {
  readonly series: Series;
  /** The watcher may lengthen a series in place; this is how far it had come. */
  readonly length: number;
}

/**
 * Cuts successive views into one snapshot and numbered increments that carry only new points, so a long run costs
 * what it adds. Remembers what the page has.
 */
export class CurvesFeed {
  #view: CurvesView | undefined;
  #sent = new Map<string, SentSeries>();
  #number = 0;

  /** The whole state; what comes after is counted from it. */
  snapshot(view: CurvesView): ToCurves {
    this.#remember(view);
    this.#number += 1;
    return {
      kind: 'snapshot',
      number: this.#number,
      scanning: view.scanning,
      runs: view.runs,
      wanted: view.wanted,
      ...(view.run === undefined ? {} : { run: wholeRun(view.run) }),
    };
  }

  /** What the page needs to come from the last view to this one; undefined when it has it all. */
  next(view: CurvesView): ToCurves | undefined {
    const old = this.#view;
    if (old?.run?.directory !== view.run?.directory || old?.wanted !== view.wanted)
      return this.snapshot(view);
    const series: SeriesPart[] = [];
    const keys = new Set<string>();
    for (const entry of view.run?.series ?? []) {
      const key = seriesKey(entry);
      keys.add(key);
      const from = firstDifference(this.#sent.get(key), entry);
      if (from !== undefined) series.push(partOf(entry, from));
    }
    const removed = [...this.#sent.keys()].filter((key) => !keys.has(key));
    const changes = {
      ...(same(old.scanning, view.scanning) ? {} : { scanning: view.scanning }),
      ...(same(old.runs, view.runs) ? {} : { runs: view.runs }),
      ...(same(old.run?.checkpoints, view.run?.checkpoints)
        ? {}
        : { checkpoints: view.run?.checkpoints ?? [] }),
      ...(same(old.run?.averages, view.run?.averages) ? {} : { averages: view.run?.averages ?? [] }),
    };
    this.#remember(view);
    if (series.length === 0 && removed.length === 0 && Object.keys(changes).length === 0) return undefined;
    this.#number += 1;
    return { kind: 'increment', number: this.#number, series, removed, ...changes };
  }

  #remember(view: CurvesView): void {
    this.#view = view;
    this.#sent = new Map(
      (view.run?.series ?? []).map((series) => [seriesKey(series), { series, length: series.values.length }]),
    );
  }
}

/** NaN metrics stay: the page shows them as what they are. */
export function checkpointMark(entry: CheckpointEntry): CheckpointMark {
  return {
    path: entry.path,
    name: entry.name,
    complete: entry.state === 'complete',
    ...(entry.step === undefined ? {} : { step: entry.step }),
    ...(entry.epoch === undefined ? {} : { epoch: entry.epoch }),
    metrics: entry.metrics,
  };
}

function wholeRun(run: NonNullable<CurvesView['run']>): CurvesRun {
  return {
    directory: run.directory,
    name: run.name,
    series: run.series.map((series) => partOf(series, 0)),
    checkpoints: run.checkpoints,
    averages: run.averages,
  };
}

const seriesKey = (series: Series): string => `${series.source}\n${series.tag}`;

/** Typed arrays cross the webview line as bytes; plain ones would as JSON, in which NaN does not exist. */
const partOf = (series: Series, from: number): SeriesPart => ({
  key: seriesKey(series),
  tag: series.tag,
  source: series.source,
  from,
  steps: Float64Array.from(series.steps.slice(from)),
  epochs: Float64Array.from(series.epochs.slice(from)),
  values: Float64Array.from(series.values.slice(from)),
});

/** Index of the first point that the page does not have as it is now; undefined when it has them all. */
function firstDifference(sent: SentSeries | undefined, now: Series): number | undefined {
  if (sent === undefined) return 0;
  const length = now.values.length;
  const common = Math.min(sent.length, length);
  let index = 0;
  if (sent.series === now || sent.series.values === now.values) {
    index = common;
  } else {
    const old = sent.series;
    while (
      index < common &&
      Object.is(old.values[index], now.values[index]) &&
      old.steps[index] === now.steps[index] &&
      Object.is(old.epochs[index], now.epochs[index])
    ) {
      index += 1;
    }
  }
  return index === length && length === sent.length ? undefined : index;
}

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

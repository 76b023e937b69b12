import type { AverageReport } from '../../core/averaging/types.ts';
import type { ExportedRun } from '../../core/metrics/export.ts';
import { healthOf } from '../../core/runs/health.ts';
import { newestFirst } from '../../core/runs/status.ts';
import type { RunState } from '../../core/runs/status.ts';
import type { CheckpointEntry, Run, RunsSnapshot } from '../../core/runs/types.ts';
import {
  type AverageMark,
  type CurvesRequest,
  type ExportFormat,
  type FromCurves,
  type KnownRun,
  type Measured,
  readFromCurves,
  type ToCurves,
} from '../../../webview/protocol.ts';
import { findingMark, findingSentence, stateLabel } from '../tree/health.ts';
import { checkpointMark, CurvesFeed, seriesKey, type CurvesView, type ShownRun } from './curvesFeed.ts';

/** What a curves page's session needs from the editor. */
export interface CurvesPort {
  /** Settles when the page has the message. */
  post(message: ToCurves): PromiseLike<unknown>;
  ask(request: CurvesRequest): void;
  /** The run that is shown; with several their number. */
  setTitle(shown: string | number | undefined): void;
  reveal(checkpointPath: string): void;
  openReport(reportPath: string): void;
  /** The way to an average of these checkpoints of one run, oldest first. */
  average(checkpointPaths: readonly string[]): void;
  watchFolder(): void;
  /** Asks as what to export, then {@link CurvesSession.export}. */
  export(): void;
  saveData(format: 'csv' | 'json', name: string, runs: readonly ExportedRun[]): void;
  savePicture(format: 'svg' | 'png', name: string, content: string): void;
  stateOf(run: Run): RunState;
  readReport(reportPath: string): Promise<AverageReport>;
  warn(text: string): void;
}

/**
 * The host's side of one curves page, without VS Code: which runs it shows, what it has been sent, what it may ask.
 * Nothing is sent before the page says `ready`.
 */
export class CurvesSession {
  readonly #port: CurvesPort;
  readonly #feed = new CurvesFeed();
  readonly #reports = new Map<string, { readonly mtimeMs: number; readonly measured: readonly Measured[] }>();
  /** Runs never change, a changed one is a new object: so each is prepared once. */
  #prepared = new WeakMap<Run, ShownRun>();
  #wanted: readonly string[] | null;
  #snapshot: RunsSnapshot;
  #ready = false;
  #disposed = false;
  /** A message is on its way after which more is to be said. */
  #awaits: ToCurves | undefined;

  constructor(port: CurvesPort, snapshot: RunsSnapshot, wanted: readonly string[] | null) {
    this.#port = port;
    this.#snapshot = snapshot;
    this.#wanted = wanted;
    this.#setTitle();
  }

  /** Directories of the runs asked for; null follows the newest. */
  get wanted(): readonly string[] | null {
    return this.#wanted;
  }

  /** Those of them that there are, in the order of the watcher. */
  get runs(): readonly Run[] {
    const { runs } = this.#snapshot;
    if (this.#wanted !== null) {
      const wanted = new Set(this.#wanted);
      return runs.filter(({ directory }) => wanted.has(directory));
    }
    const newest = runs.reduce<Run | undefined>(
      (best, run) => (best === undefined || run.mtimeMs > best.mtimeMs ? run : best),
      undefined,
    );
    return newest === undefined ? [] : [newest];
  }

  receive(message: unknown): void {
    const known = readFromCurves(message);
    if (known === undefined) this.#port.warn('The curves page sent a message that is not understood.');
    else this.#handle(known);
  }

  /** @param snapshot the newest; without one only what is known of the runs beside their files has changed. */
  update(snapshot: RunsSnapshot = this.#snapshot): void {
    this.#snapshot = snapshot;
    this.#send();
  }

  show(wanted: readonly string[] | null): void {
    this.#wanted = wanted;
    this.#send();
  }

  /** Asks the page for what it shows; it answers with what is to be saved. */
  export(format: ExportFormat): void {
    if (this.#ready) this.#port.ask({ kind: 'export', format });
  }

  /** The page is hidden: VS Code throws it away. It says `ready` when it is back. */
  pause(): void {
    this.#ready = false;
  }

  dispose(): void {
    this.#disposed = true;
    this.#ready = false;
  }

  #handle(message: FromCurves): void {
    switch (message.kind) {
      case 'ready':
      case 'resync':
        this.#ready = true;
        this.#post(this.#feed.snapshot(this.#view()));
        return;
      case 'smoothing':
        this.#feed.smoothing = message.smoothing;
        return;
      case 'selectRuns':
        this.show(message.directories);
        return;
      case 'reveal':
        // Only what is known here: a page must not make the editor touch other paths.
        if (this.#entries().some((entry) => entry.path === message.path)) this.#port.reveal(message.path);
        return;
      case 'openReport':
        if (this.#entries().some((entry) => entry.average?.reportPath === message.path)) {
          this.#port.openReport(message.path);
        }
        return;
      case 'averageRange': {
        const run = this.#snapshot.runs.find(({ directory }) => directory === message.directory);
        const asked = new Set(message.paths);
        // In training order, whatever order the page has them in.
        const paths = run?.checkpoints.map(({ path }) => path).filter((path) => asked.has(path)) ?? [];
        if (paths.length > 0) this.#port.average(paths);
        return;
      }
      case 'watchFolder':
        this.#port.watchFolder();
        return;
      case 'export':
        this.#port.export();
        return;
      case 'exportData': {
        const wanted = new Set(message.series);
        const runs = this.runs.map(({ directory, name, series, averagedSeries }) => ({
          directory,
          name,
          series: [...series, ...averagedSeries].filter((one) =>
            wanted.has(`${directory}\n${seriesKey(one)}`),
          ),
        }));
        this.#port.saveData(
          message.format,
          this.#name,
          runs.filter(({ series }) => series.length > 0),
        );
        return;
      }
      case 'exportPicture':
        this.#port.savePicture(message.format, this.#name, message.content);
        return;
      case 'defect':
        this.#port.warn(`Curves page: ${message.text}`);
        return;
    }
  }

  #entries(): readonly CheckpointEntry[] {
    return this.#snapshot.runs.flatMap((run) => [...run.checkpoints, ...run.averages]);
  }

  /** Of a file with what is shown. */
  get #name(): string {
    const { runs } = this;
    return runs.length === 1 ? `${runs[0]!.name}-curves` : 'curves';
  }

  #setTitle(): void {
    const { runs } = this;
    this.#port.setTitle(runs.length > 1 ? runs.length : runs[0]?.name);
  }

  #send(): void {
    this.#setTitle();
    // While the page takes in what was sent, what is new gathers.
    if (!this.#ready || this.#awaits !== undefined) return;
    const message = this.#feed.next(this.#view());
    if (message !== undefined) this.#post(message);
  }

  #post(message: ToCurves): void {
    const taken = this.#port.post(message);
    this.#awaits = message.more ? message : undefined;
    if (!message.more) return;
    const goOn = (): void => {
      if (this.#awaits !== message) return;
      this.#awaits = undefined;
      if (!this.#disposed) this.#send();
    };
    // One that was not taken is missed by the page, which then asks for everything.
    taken.then(goOn, goOn);
  }

  #view(): CurvesView {
    return {
      scanning: this.#snapshot.scanning,
      runs: newestFirst(this.#snapshot.runs, (run) => this.#port.stateOf(run)).map((run) => this.#known(run)),
      wanted: this.#wanted,
      shown: this.runs.map((run) => this.#prepare(run)),
    };
  }

  #known(run: Run): KnownRun {
    const { directory, name } = run;
    const state = this.#port.stateOf(run);
    return state === 'finished'
      ? { directory, name }
      : { directory, name, state: { name: state, label: stateLabel(state) } };
  }

  #prepare(run: Run): ShownRun {
    let shown = this.#prepared.get(run);
    if (shown === undefined) {
      shown = {
        directory: run.directory,
        name: run.name,
        series: [...run.series, ...run.averagedSeries],
        checkpoints: run.checkpoints.map(checkpointMark),
        averages: run.averages.flatMap((entry) => this.#averageMark(entry)),
        health: healthOf(run).map((finding) => ({
          tag: finding.tag,
          kind: finding.kind,
          mark: findingMark(finding),
          sentence: findingSentence(finding),
        })),
      };
      this.#prepared.set(run, shown);
    }
    return shown;
  }

  #averageMark(entry: CheckpointEntry): AverageMark[] {
    const { average } = entry;
    if (average === undefined) return [];
    const summary: Measured[] =
      average.metric === undefined ? [] : [{ name: average.metric.name, value: average.metric.value }];
    const step = average.step ?? entry.step;
    const epoch = average.epoch ?? entry.epoch;
    return [
      {
        path: entry.path,
        name: entry.name,
        reportPath: average.reportPath,
        method: average.method,
        ...(step === undefined ? {} : { step }),
        ...(epoch === undefined ? {} : { epoch }),
        sources: average.sources,
        measured: this.#measured(average.reportPath, entry.mtimeMs) ?? summary,
        recommendation: average.recommendation,
      },
    ];
  }

  /** Intervals and loss stand in the report only; it is read once per change, and the page told when it is there. */
  #measured(reportPath: string, mtimeMs: number): readonly Measured[] | undefined {
    const known = this.#reports.get(reportPath);
    if (known?.mtimeMs === mtimeMs) return known.measured.length === 0 ? undefined : known.measured;
    this.#reports.set(reportPath, { mtimeMs, measured: [] });
    this.#port.readReport(reportPath).then(
      (report) => {
        this.#reports.set(reportPath, { mtimeMs, measured: measuredIn(report) });
        this.#prepared = new WeakMap();
        if (!this.#disposed) this.#send();
      },
      (error: unknown) => {
        this.#port.warn(`${reportPath}: ${error instanceof Error ? error.message : String(error)}`);
      },
    );
    return undefined;
  }
}

/** Metric and loss of the average that the report is about, as its table has them. */
export function measuredIn(report: AverageReport): readonly Measured[] {
  const row = report.table.find(({ id }) => id === report.method);
  if (row === undefined || report.metric === undefined) return [];
  return [
    { name: report.metric.name, value: row.metric, interval: row.metricInterval },
    { name: 'loss', value: row.loss, interval: row.lossInterval },
  ];
}

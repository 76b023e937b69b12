import type { AverageReport } from '../../core/averaging/types.ts';
import type { CheckpointEntry, Run, RunsSnapshot } from '../../core/runs/types.ts';
import {
  type AverageMark,
  type FromCurves,
  type Measured,
  readFromCurves,
  type ToCurves,
} from '../../../webview/protocol.ts';
import { checkpointMark, CurvesFeed, type CurvesView } from './curvesFeed.ts';

/** What a curves page's session needs from the editor. */
export interface CurvesPort {
  post(message: ToCurves): void;
  setTitle(runName: string | undefined): void;
  reveal(checkpointPath: string): void;
  openReport(reportPath: string): void;
  watchFolder(): void;
  readReport(reportPath: string): Promise<AverageReport>;
  warn(text: string): void;
}

/**
 * The host's side of one curves page, without VS Code: which run it shows, what it has been sent, what it may ask.
 * Nothing is sent before the page says `ready`.
 */
export class CurvesSession {
  readonly #port: CurvesPort;
  readonly #feed = new CurvesFeed();
  readonly #reports = new Map<string, { readonly mtimeMs: number; readonly measured: readonly Measured[] }>();
  #wanted: string | null;
  #snapshot: RunsSnapshot;
  #ready = false;
  #disposed = false;

  constructor(port: CurvesPort, snapshot: RunsSnapshot, wanted: string | null) {
    this.#port = port;
    this.#snapshot = snapshot;
    this.#wanted = wanted;
    port.setTitle(this.run?.name);
  }

  /** Directory of the run asked for; null follows the newest. */
  get wanted(): string | null {
    return this.#wanted;
  }

  get run(): Run | undefined {
    const { runs } = this.#snapshot;
    if (this.#wanted !== null) return runs.find((run) => run.directory === this.#wanted);
    return runs.reduce<Run | undefined>(
      (newest, run) => (newest === undefined || run.mtimeMs > newest.mtimeMs ? run : newest),
      undefined,
    );
  }

  receive(message: unknown): void {
    const known = readFromCurves(message);
    if (known === undefined) this.#port.warn('The curves page sent a message that is not understood.');
    else this.#handle(known);
  }

  update(snapshot: RunsSnapshot): void {
    this.#snapshot = snapshot;
    this.#send();
  }

  show(wanted: string | null): void {
    this.#wanted = wanted;
    this.#send();
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
        this.#port.post(this.#feed.snapshot(this.#view()));
        return;
      case 'selectRun':
        this.show(message.directory);
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
      case 'watchFolder':
        this.#port.watchFolder();
        return;
      case 'defect':
        this.#port.warn(`Curves page: ${message.text}`);
        return;
    }
  }

  #entries(): readonly CheckpointEntry[] {
    return this.#snapshot.runs.flatMap((run) => [...run.checkpoints, ...run.averages]);
  }

  #send(): void {
    this.#port.setTitle(this.run?.name);
    if (!this.#ready) return;
    const message = this.#feed.next(this.#view());
    if (message !== undefined) this.#port.post(message);
  }

  #view(): CurvesView {
    const { run } = this;
    return {
      scanning: this.#snapshot.scanning,
      runs: this.#snapshot.runs.map(({ directory, name }) => ({ directory, name })),
      wanted: this.#wanted,
      run: run && {
        directory: run.directory,
        name: run.name,
        series: run.series,
        checkpoints: run.checkpoints.map(checkpointMark),
        averages: run.averages.flatMap((entry) => this.#averageMark(entry)),
      },
    };
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

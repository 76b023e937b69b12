import type { AverageReport, LossPoint, PassProgress } from '../../core/averaging/types.ts';
import {
  type FromResult,
  type LivePassState,
  readFromResult,
  type ResultAction,
  type ResultMore,
  type ToResult,
} from '../../../webview/protocol.ts';

/** What a result page's session needs from the editor. */
export interface ResultPort {
  post(message: ToResult): void;
  reveal(checkpointPath: string): void;
  openFile(path: string): void;
  copy(text: string): void;
  cancel(): void;
  act(action: ResultAction): void;
  /** What is known beside the report, now; undefined: {@link ResultSession.moreChanged} will be called. */
  more(report: AverageReport): ResultMore | undefined;
  warn(text: string): void;
  /** Calls once, later: progress is sent a few times a second, however often it comes. */
  later(callback: () => void): void;
}

/** What a result page is about. A pass begins as `live` and becomes a `report` when it is done. */
export type ResultState =
  | { readonly kind: 'live'; readonly live: LivePassState }
  | { readonly kind: 'report'; readonly path: string; readonly report: AverageReport }
  | { readonly kind: 'unavailable'; readonly message: string };

/** The host's side of one result page, without VS Code. Nothing is sent before the page says `ready`. */
export class ResultSession {
  readonly #port: ResultPort;
  #state: ResultState;
  /** Of the live pass, all of them: they come one by one, so the state's own `points` stay as they began. */
  #points: LossPoint[] = [];
  #ready = false;
  #number = 0;
  /** Loss points that the page does not have yet. */
  #unsent: LossPoint[] = [];
  #scheduled = false;

  constructor(port: ResultPort, state: ResultState) {
    this.#port = port;
    this.#state = state;
  }

  get state(): ResultState {
    if (this.#state.kind !== 'live') return this.#state;
    const { live } = this.#state;
    return { kind: 'live', live: { ...live, points: [...live.points, ...this.#points] } };
  }

  receive(message: unknown): void {
    const known = readFromResult(message);
    if (known === undefined) this.#port.warn('The result page sent a message that is not understood.');
    else this.#handle(known);
  }

  become(state: ResultState): void {
    this.#state = state;
    this.#points = [];
    if (this.#ready) this.#sendAll();
  }

  /** Only while live. */
  progress(progress: PassProgress): void {
    if (this.#state.kind !== 'live') return;
    const { live } = this.#state;
    this.#state = {
      kind: 'live',
      live: {
        ...live,
        phase: progress.phase,
        fraction: progress.fraction,
        message: progress.message,
        ...(progress.coefficients === undefined ? {} : { coefficients: progress.coefficients }),
      },
    };
    if (progress.point !== undefined) {
      this.#points.push(progress.point);
      this.#unsent.push(progress.point);
    }
    if (!this.#ready || this.#scheduled) return;
    this.#scheduled = true;
    this.#port.later(() => {
      this.#scheduled = false;
      this.#sendProgress();
    });
  }

  /** What is known beside the report is more than it was. */
  moreChanged(): void {
    if (this.#ready && this.#state.kind === 'report') this.#sendMore(this.#state.report);
  }

  /** The page is hidden: VS Code throws it away. It says `ready` when it is back. */
  pause(): void {
    this.#ready = false;
  }

  #handle(message: FromResult): void {
    switch (message.kind) {
      case 'ready':
      case 'resync':
        this.#ready = true;
        this.#sendAll();
        return;
      case 'reveal':
        // Only what is known here: a page must not make the editor touch other paths.
        if (this.#paths().includes(message.path)) this.#port.reveal(message.path);
        return;
      case 'openFile':
        if (this.#state.kind === 'report') this.#port.openFile(this.#state.path);
        return;
      case 'copy':
        this.#port.copy(message.text);
        return;
      case 'act':
        // Only what was offered.
        if (
          this.#state.kind === 'report' &&
          this.#port.more(this.#state.report)?.can.includes(message.action) === true
        ) {
          this.#port.act(message.action);
        }
        return;
      case 'cancel':
        if (this.#state.kind === 'live') this.#port.cancel();
        return;
      case 'defect':
        this.#port.warn(`Result page: ${message.text}`);
        return;
    }
  }

  #paths(): readonly string[] {
    switch (this.#state.kind) {
      case 'live':
        return this.#state.live.checkpoints.map(({ path }) => path);
      case 'report':
        return [this.#state.report.output, ...this.#state.report.provenance.sources.map(({ path }) => path)];
      case 'unavailable':
        return [];
    }
  }

  #sendAll(): void {
    this.#unsent = [];
    this.#number += 1;
    const { state } = this;
    if (state.kind !== 'report') {
      this.#port.post(state.kind === 'live' ? { ...state, number: this.#number } : state);
      return;
    }
    // The page gets a geometry in place of the matrix that it is made of.
    const report = { ...state.report };
    delete (report as { gram?: unknown }).gram;
    this.#port.post({ ...state, report });
    this.#sendMore(state.report);
  }

  #sendMore(report: AverageReport): void {
    const more = this.#port.more(report);
    if (more !== undefined) this.#port.post({ kind: 'more', more });
  }

  #sendProgress(): void {
    if (!this.#ready || this.#state.kind !== 'live' || this.#state.live.phase === undefined) return;
    const { phase, fraction, message, coefficients } = this.#state.live;
    const points = this.#unsent;
    this.#unsent = [];
    this.#number += 1;
    this.#port.post({
      kind: 'progress',
      number: this.#number,
      phase,
      fraction,
      message,
      points,
      ...(coefficients === undefined ? {} : { coefficients }),
    });
  }
}

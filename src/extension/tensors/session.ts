import path from 'node:path';
import type { JobName, Jobs } from '../../compute/protocol.ts';
import type { TensorChange, TensorStatistics } from '../../core/checkpoints/changes.ts';
import { formatById, inspectPath, requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import {
  type FromTensors,
  readFromTensors,
  type ShownCheckpoint,
  type ToTensors,
} from '../../../webview/tensors/protocol.ts';

/** What a page is about. */
export type Subject =
  | { readonly kind: 'checkpoint'; readonly path: string }
  | { readonly kind: 'comparison'; readonly a: string; readonly b: string };

/** What a session needs from the editor. */
export interface TensorsPort {
  post(message: ToTensors): void;
  copy(text: string): void;
  warn(text: string): void;
  /** In a process of its own. */
  run<J extends JobName>(
    job: J,
    request: Jobs[J]['request'],
    hooks: { signal: AbortSignal; onProgress: (progress: { fraction: number; message: string }) => void },
  ): Promise<Jobs[J]['result']>;
  /** Titles of what cannot be shown, in the user's language. */
  readonly titles: Readonly<Record<'incomplete' | 'unreadable', string>>;
}

/** A page cannot show more of one value; a checkpoint's metadata may hold a whole configuration file. */
const LONGEST_VALUE = 20_000;

/** The host's side of one tensors page, without VS Code. Nothing is sent before the page says `ready`. */
export class TensorsSession {
  readonly #port: TensorsPort;
  readonly #subject: Subject;
  #ready = false;
  /** What is known of the files; read again when they change. */
  #shown: Promise<ToTensors>;
  readonly #statistics = new Map<string, TensorStatistics>();
  #changes: readonly TensorChange[] | undefined;
  #job: AbortController | undefined;

  constructor(port: TensorsPort, subject: Subject) {
    this.#port = port;
    this.#subject = subject;
    this.#shown = this.#load();
  }

  /** What it knows so far, and whether a page is there to show it. */
  get known() {
    const { size } = this.#statistics;
    return { subject: this.#subject, ready: this.#ready, statistics: size, changes: this.#changes };
  }

  receive(message: unknown): void {
    const known = readFromTensors(message);
    if (known === undefined) this.#port.warn('The tensors page sent a message that is not understood.');
    else this.#handle(known);
  }

  /** The files have changed: what was computed from them holds no more. */
  reload(): void {
    this.#job?.abort();
    this.#job = undefined;
    this.#statistics.clear();
    this.#changes = undefined;
    this.#shown = this.#load();
    if (this.#ready) void this.#sendAll();
  }

  /** The page is hidden: VS Code throws it away. It says `ready` when it is back. */
  pause(): void {
    this.#ready = false;
  }

  dispose(): void {
    this.#ready = false;
    this.#job?.abort();
  }

  #handle(message: FromTensors): void {
    switch (message.kind) {
      case 'ready':
      case 'resync':
        this.#ready = true;
        void this.#sendAll();
        return;
      case 'compute':
        if (this.#subject.kind === 'checkpoint') void this.#compute(this.#subject.path, message.tensors);
        return;
      case 'compare':
        if (this.#subject.kind === 'comparison') void this.#compare(this.#subject);
        return;
      case 'cancel':
        this.#job?.abort();
        return;
      case 'copy':
        this.#port.copy(message.text);
        return;
      case 'defect':
        this.#port.warn(`Tensors page: ${message.text}`);
        return;
    }
  }

  async #sendAll(): Promise<void> {
    const asked = this.#shown;
    const shown = await asked;
    // Loaded anew meanwhile: that is sent instead.
    if (asked !== this.#shown) return;
    if (shown.kind === 'checkpoint') {
      this.#post({ ...shown, statistics: [...this.#statistics.values()] });
    } else if (shown.kind === 'comparison') {
      this.#post({ ...shown, ...(this.#changes === undefined ? {} : { changes: this.#changes }) });
      // Two checkpoints are compared because somebody asked for it: it starts by itself.
      if (this.#changes === undefined && this.#subject.kind === 'comparison')
        await this.#compare(this.#subject);
    } else {
      this.#post(shown);
    }
  }

  async #load(): Promise<ToTensors> {
    try {
      if (this.#subject.kind === 'comparison') {
        const { a, b } = this.#subject;
        const [first, second] = [await requireComplete(a), await requireComplete(b)];
        return { kind: 'comparison', a: shownCheckpoint(first), b: shownCheckpoint(second) };
      }
      const inspection = await inspectPath(this.#subject.path);
      if (inspection.state === 'complete') {
        return { kind: 'checkpoint', checkpoint: shownCheckpoint(inspection.header), statistics: [] };
      }
      return this.#unavailable(inspection.state, inspection.reason, [inspection.path]);
    } catch (error) {
      if (!(error instanceof TwaError)) this.#port.warn(String(error));
      const state =
        error instanceof TwaError && error.code === 'incomplete-checkpoint' ? 'incomplete' : 'unreadable';
      const details = error instanceof TwaError ? error.details : [];
      return this.#unavailable(state, textOf(error), details);
    }
  }

  #unavailable(state: 'incomplete' | 'unreadable', message: string, details: readonly string[]): ToTensors {
    return { kind: 'unavailable', title: this.#port.titles[state], message, details };
  }

  #compute(checkpoint: string, tensors: readonly string[] | undefined): Promise<void> {
    return this.#work(async (hooks) => {
      const request = { checkpoint, ...(tensors === undefined ? {} : { tensors }) };
      const { rows } = await this.#port.run('tensorStatistics', request, hooks);
      return () => {
        for (const row of rows) this.#statistics.set(row.name, row);
        this.#post({ kind: 'statistics', rows });
      };
    });
  }

  #compare({ a, b }: { readonly a: string; readonly b: string }): Promise<void> {
    return this.#work(async (hooks) => {
      const { changes } = await this.#port.run('compareTensors', { a, b }, hooks);
      return () => {
        this.#changes = changes;
        this.#post({ kind: 'changes', changes });
      };
    });
  }

  /** One job at a time; it goes on while the page is hidden. What it gives is kept only if nothing stopped it. */
  async #work(job: (hooks: Parameters<TensorsPort['run']>[2]) => Promise<() => void>): Promise<void> {
    if (this.#job !== undefined) return;
    const controller = new AbortController();
    const { signal } = controller;
    this.#job = controller;
    this.#post({ kind: 'running', fraction: 0, tensor: '' });
    try {
      const keep = await job({
        signal,
        onProgress: ({ fraction, message }) => this.#post({ kind: 'running', fraction, tensor: message }),
      });
      if (!signal.aborted) keep();
      this.#end(controller);
    } catch (error) {
      if (!signal.aborted && !(error instanceof TwaError)) this.#port.warn(String(error));
      this.#end(controller, signal.aborted ? undefined : error);
    }
  }

  #end(controller: AbortController, error?: unknown): void {
    // The files changed meanwhile: the page has been told anew.
    if (this.#job !== controller) return;
    this.#job = undefined;
    this.#post({ kind: 'ended', ...(error === undefined ? {} : { message: textOf(error) }) });
  }

  #post(message: ToTensors): void {
    if (this.#ready) this.#port.post(message);
  }
}

export function shownCheckpoint(header: CheckpointHeader): ShownCheckpoint {
  const { tensors, files, step, epoch } = header;
  const metadata = Object.entries(header.metadata).map(
    ([key, value]) =>
      [key, value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value] as const,
  );
  return {
    path: header.path,
    name: path.basename(header.path),
    format: formatById(header.format).label,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    ...(step === undefined ? {} : { step }),
    ...(epoch === undefined ? {} : { epoch }),
    tensors: tensors.map(({ name, dtype, shape, aliasOf }) => ({
      ...{ name, dtype, shape },
      ...(aliasOf === undefined ? {} : { aliasOf }),
    })),
    metadata: Object.fromEntries(metadata),
    notes: header.notes ?? [],
  };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
